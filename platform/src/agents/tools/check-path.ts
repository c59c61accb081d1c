import { posix } from 'node:path'
import type { GuestFiles } from '../../engine/guest/files.ts'
import { WarrenError } from '../../errors.ts'
import { ToolError } from './tool.ts'

export interface Paths {
  read?: string[]
  write?: string[]
}

const mostLinks = 40

/**
 * Throws `path_not_allowed` where `file` is outside of what the agent may read or write, links of all its folders followed. A
 * program in the sandbox may change a link right afterwards: this holds the tools of the agent, not the programs it runs.
 */
export async function checkPath(
  files: Pick<GuestFiles, 'stat'>,
  { read, write }: Paths,
  { file, access }: { file: string; access: 'read' | 'write' },
): Promise<void> {
  const allowed = access === 'write' ? write : read && [...read, ...(write ?? [])]
  if (!allowed) return
  const { path: home } = await files.stat('.')
  const place = await placeOf(files, file.startsWith('/') ? file : `${home}/${file}`)
  for (const one of allowed) {
    const folder = await placeOf(files, posix.resolve(home, one))
    if (
      folder !== undefined &&
      place !== undefined &&
      (place === folder || place.startsWith(folder === '/' ? '/' : `${folder}/`))
    )
      return
  }
  throw new ToolError(
    'path_not_allowed',
    `${file} is outside of what this agent may ${access}: ${allowed.join(', ') || 'nothing'}`,
    { happened: false },
  )
}

/**
 * Where a path leads; undefined where a link on the way leads nowhere. What is not there yet counts as a folder, which it is once those
 * above a file are made: so what comes behind it and a `..` is looked at too.
 */
async function placeOf(files: Pick<GuestFiles, 'stat'>, path: string): Promise<string | undefined> {
  let [at, rest, links] = ['/', path.split('/').filter(Boolean), 0]
  while (rest.length > 0) {
    // As the kernel takes it: above what a link leads to, not above the link.
    const next = posix.join(at, rest[0]!)
    if (rest[0] === '..') {
      ;[at, rest] = [next, rest.slice(1)]
      continue
    }
    const found = await files.stat(next, { nofollow: true, details: true }).catch((error) => {
      if (error instanceof WarrenError && error.code === 'not_found') return undefined
      throw error
    })
    rest = rest.slice(1)
    if (!found && !rest.includes('..')) return posix.join(next, ...rest)
    if (found?.type !== 'symlink') at = next
    else if (!found.resolved || ++links > mostLinks) return undefined
    else at = found.resolved.path
  }
  return at
}
