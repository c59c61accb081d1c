export type DocumentKind = 'markdown' | 'code' | 'text'

/** A part of a document that says something by itself. Lines are counted from 1. */
export interface Passage {
  text: string
  firstLine: number
  lastLine: number
  /** The headings that it stands below, outermost first. */
  headings: string[]
}

/** Changes with whatever changes the passages of a text. */
export const passagesVersion = 1

/** A passage ends with the next paragraph once it has so many characters. */
const enough = 1000
/** It has at most so many; only what is one paragraph comes near it. */
const most = 1600
/** It has so many at least, unless the text ends. */
const least = 200

/** A line this long is no heading. */
const mostHeadingLine = 400

/** Lines from the first to the last, counted from 0. */
interface Lines {
  first: number
  last: number
  chars: number
}

/** Those of a passage that is not at its end. */
interface Open extends Lines {
  headings: string[]
}

/** Lines that belong together: a paragraph, a block of code, a heading. */
interface Block extends Lines {
  heading?: { level: number; title: string }
}

/**
 * The passages of a text, in order: all of its lines but blank ones between them. Cut between paragraphs, at headings in Markdown and
 * where nothing is indented in code; a paragraph that is too long is cut between its lines, and a line that is too long within it.
 */
export function* cutIntoPassages(text: string, kind: DocumentKind): Generator<Passage> {
  const lines = text.split(/\r\n|\n|\r/)
  let above: { level: number; title: string }[] = []
  let open: Open | undefined
  for (const { first, last, chars, heading } of blocksOf(lines, kind)) {
    if (heading) above = [...above.filter(({ level }) => level < heading.level), heading]
    if (open && open.chars >= least && (heading || open.chars >= enough || open.chars + chars > most)) {
      yield* passageOf(lines, open)
      open = undefined
    }
    open ??= { first, last, chars: 0, headings: above.map(({ title }) => title) }
    open.last = last
    open.chars += chars
  }
  if (open) yield* passageOf(lines, open)
}

function* blocksOf(lines: readonly string[], kind: DocumentKind): Generator<Block> {
  let block: Block | undefined
  let fence: string | undefined
  for (const [index, line] of lines.entries()) {
    const isBlank = line.trim() === ''
    const mark = kind === 'markdown' ? /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] : undefined
    const mayHead = kind === 'markdown' && !fence && line.length <= mostHeadingLine
    const heading = mayHead ? /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/.exec(line) : undefined
    // In code a blank line within what is indented parts nothing.
    const parts = fence
      ? false
      : kind === 'code'
        ? !isBlank && /^\S/.test(line) && (lines[index - 1] ?? '').trim() === ''
        : isBlank
    if (block && (parts || heading || block.heading)) {
      yield block
      block = undefined
    }
    if (mark && !fence) fence = mark
    else if (mark && fence && mark.startsWith(fence)) fence = undefined
    if (isBlank && !block) continue
    block ??= { first: index, last: index, chars: 0 }
    if (!isBlank) block.last = index
    block.chars += line.length + 1
    if (heading) block.heading = { level: heading[1]!.length, title: heading[2]! }
  }
  if (block) yield block
}

function* passageOf(lines: readonly string[], { first, last, headings }: Open): Generator<Passage> {
  const text = lines.slice(first, last + 1).join('\n')
  if (text.length <= most) return yield { text, firstLine: first + 1, lastLine: last + 1, headings }
  let part: Passage | undefined
  for (let index = first; index <= last; index++)
    for (const piece of pieces(lines[index]!)) {
      if (part && part.text.length + 1 + piece.length > enough) {
        yield part
        part = undefined
      }
      if (part) {
        part.text += `\n${piece}`
        part.lastLine = index + 1
      } else if (piece.trim() !== '') part = { text: piece, firstLine: index + 1, lastLine: index + 1, headings }
    }
  if (part) yield part
}

/** A line as parts of at most `enough` characters, cut behind a sentence or a word where there is one, and through no character. */
function* pieces(line: string): Generator<string> {
  let from = 0
  while (line.length - from > enough) {
    const slice = line.slice(from, from + enough)
    const sentence = Math.max(...['. ', '。', '！', '？', '; ', '! ', '? '].map((end) => slice.lastIndexOf(end)))
    const cut =
      sentence > enough / 2 ? sentence + 1 : slice.lastIndexOf(' ') > enough / 2 ? slice.lastIndexOf(' ') : enough
    const isHalf = /[\ud800-\udbff]/.test(line[from + cut - 1]!)
    const end = from + cut - (isHalf ? 1 : 0)
    yield line.slice(from, end)
    from = end
  }
  yield line.slice(from)
}
