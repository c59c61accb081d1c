import { readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import type { Skill } from '@warren/sdk'

const own = 'SKILL.md'
const mostFiles = 64

/** A folder with a SKILL.md, whose head says `name` and `description`; everything else in it are the files. Throws where it is none. */
export function readSkill(folder: string): Skill {
  const { head, instructions } = parseSkill(readFileSync(join(folder, own), 'utf8'))
  const name = head.name ?? basename(folder)
  if (!head.description) throw new Error(`${join(folder, own)} has no description in its head`)
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const others = paths.filter((path) => relative(folder, path) !== own).sort()
  if (others.length > mostFiles)
    throw new Error(`${folder} has ${others.length} files; a skill has at most ${mostFiles}`)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const files = Object.fromEntries(
    others.map((path) => {
      try {
        return [relative(folder, path), decoder.decode(readFileSync(path))]
      } catch (cause) {
        throw new Error(`${path} is no text`, { cause })
      }
    }),
  )
  return { name, description: head.description, instructions, ...(others.length > 0 && { files }) }
}

/** Its head, of lines `name: value` between two lines of dashes, and what comes after. A line that is indented goes on with the one before. */
export function parseSkill(text: string): { head: Record<string, string>; instructions: string } {
  const [, lines, instructions] = /^\ufeff?---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)([\s\S]*)$/.exec(text) ?? []
  if (lines === undefined) throw new Error(`${own} must begin with a head between two lines "---"`)
  const head: Record<string, string> = {}
  let last: string | undefined
  for (const line of lines.split(/\r?\n/)) {
    const [, name, value] = /^([A-Za-z][\w-]*):(.*)$/.exec(line) ?? []
    if (name !== undefined) {
      last = name
      head[name] = /^\s*[|>][+-]?\s*$/.test(value!) ? '' : value!.trim()
    } else if (last !== undefined && /^\s+\S/.test(line)) head[last] = `${head[last]} ${line.trim()}`.trim()
  }
  for (const [name, value] of Object.entries(head)) head[name] = value.replace(/^(["'])(.*)\1$/, '$2')
  return { head, instructions: instructions!.trim() }
}
