import { WarrenError } from '../../errors.ts'
import { dockerfileError, short } from './dockerfile-error.ts'
import { splitWords } from './words.ts'

/** Text that follows an instruction up to a line of its own: `<<EOF`. */
export interface HereDocument {
  name: string
  /** `<<-`: tabs at the beginning of lines do not count. */
  stripsTabs: boolean
  content: string
}

export interface Instruction {
  /** In capitals. */
  name: string
  /** What stands behind the name, lines joined. */
  rest: string
  /** From 1. */
  line: number
  hereDocuments: HereDocument[]
}

const mostBytes = 1024 * 1024
const mostInstructions = 5000
const takesHereDocuments = new Set(['RUN', 'COPY', 'ADD'])

/** Cuts a Dockerfile into its instructions: comments, directives, lines that go on, here-documents. */
export function readInstructions(text: string): { instructions: Instruction[]; escapeLetter: string } {
  if (text.length > mostBytes) throw new WarrenError('too_large', `a Dockerfile has at most ${mostBytes} bytes`)
  if (text.includes('\0')) throw new WarrenError('invalid_request', 'the Dockerfile is no text')
  const lines = text
    .replace(/^\ufeff/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
  const escapeLetter = escapeDirective(lines)
  const goesOn = escapeLetter === '\\' ? /(^|[^\\])\\[ \t]*$/ : /(^|[^`])`[ \t]*$/
  const instructions: Instruction[] = []
  let at = 0
  while (at < lines.length) {
    const line = at + 1
    const first = lines[at++]!.trimStart()
    if (first === '' || first.startsWith('#')) continue
    // One by one: a long text shall not be looked through again for each of its lines.
    const parts = [first]
    while (goesOn.test(parts.at(-1)!) && at < lines.length) {
      const next = lines[at++]!
      if (/^\s*(#|$)/.test(next)) continue
      parts[parts.length - 1] = parts.at(-1)!.replace(goesOn, '$1')
      parts.push(next)
    }
    // The last line of the file may promise another one.
    parts[parts.length - 1] = parts.at(-1)!.replace(goesOn, '$1')
    const joined = parts.join('').trimEnd()
    const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(joined) ?? []
    const name = word.toUpperCase()
    const hereDocuments: HereDocument[] = []
    if (takesHereDocuments.has(name)) {
      for (const start of hereDocumentsIn(rest, escapeLetter)) {
        const taken = takeHereDocument(lines, at, start)
        if (!taken)
          throw dockerfileError(line, `the text of <<${start.name} does not end: there is no line ${start.name}`)
        at = taken.next
        hereDocuments.push({ ...start, content: taken.content })
      }
    }
    instructions.push({ name, rest, line, hereDocuments })
    if (instructions.length > mostInstructions)
      throw dockerfileError(line, `a Dockerfile has at most ${mostInstructions} instructions`)
  }
  return { instructions, escapeLetter }
}

/** Directives stand before everything else, and end with the first line that is none. */
function escapeDirective(lines: string[]): string {
  for (const [index, line] of lines.entries()) {
    const [, name, value] = /^#\s*([a-zA-Z][\w.-]*)\s*=\s*(.*)$/.exec(line.trim()) ?? []
    if (!name) return '\\'
    if (name.toLowerCase() !== 'escape') continue
    if (value !== '\\' && value !== '`')
      throw dockerfileError(index + 1, `escape must be \\ or \`, not "${short(value!)}"`)
    return value
  }
  return '\\'
}

function hereDocumentsIn(rest: string, escapeLetter: string): { name: string; stripsTabs: boolean }[] {
  return splitWords(rest, escapeLetter).flatMap((word) => {
    const [, dash, quoted, bare] = /^\d*<<(-?)(?:["']([^"'<]+)["']|([A-Za-z_][\w.-]*))/.exec(word) ?? []
    const name = quoted ?? bare
    return name ? [{ name, stripsTabs: dash === '-' }] : []
  })
}

function takeHereDocument(lines: string[], from: number, { name, stripsTabs }: { name: string; stripsTabs: boolean }) {
  for (let at = from; at < lines.length; at++) {
    const line = stripsTabs ? lines[at]!.replace(/^\t+/, '') : lines[at]!
    if (line === name) {
      const content = lines
        .slice(from, at)
        .map((inner) => `${inner}\n`)
        .join('')
      return { content, next: at + 1 }
    }
  }
  return undefined
}
