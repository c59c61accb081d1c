/** What kinds of things have names, in the order of their numbers. */
export const symbolKinds = [
  'function',
  'method',
  'class',
  'interface',
  'type',
  'enum',
  'constant',
  'variable',
  'field',
  'module',
  'macro',
  'declaration',
] as const
export type SymbolKind = (typeof symbolKinds)[number]

/** What each symbol has in `columns`, in this order. Places are bytes from the start of the part, lines are counted from its first. */
export const column = { nameStart: 0, nameEnd: 1, start: 2, end: 3, line: 4, endLine: 5, kind: 6 } as const
export const columns = 7

/** What was found in a run of whole statements of a file. */
export interface AnalysedPart {
  start: number
  end: number
  /** Of its start, from 0. */
  line: number
  /** Numbers of its symbols, `columns` of each. */
  columns: Int32Array
  names: string[]
  imports: string[]
  /** Why nothing was found. */
  passedOver?: 'too large' | 'too deep' | 'took too long'
  /** Which part of before it is, moved at most: then its numbers and names are there. */
  reused?: number
}

/** What was found in a file. A function of its content and language alone, so it can be kept by them. */
export interface Analysis {
  language: string
  lines: number
  /** Places between statements that are in no braces; reading may begin anew there. */
  cuts: number[]
  /** By their starts. One within another is of a body that the other one leaves out. */
  parts: AnalysedPart[]
  words: Uint32Array
}

/** Without what was found: enough to tell which of it stays after an edit. */
export function bordersOf(analysis: Analysis): Analysis {
  const found = { columns: new Int32Array(0), names: [], imports: [] }
  return { ...analysis, parts: analysis.parts.map((part, reused) => ({ ...part, ...found, reused })) }
}

/** What an analysis after an edit says, with the parts of before themselves, in their new places. */
export function completed(after: Analysis, before: Analysis): Analysis {
  const parts = after.parts.map((part) => {
    const same = part.reused === undefined ? undefined : before.parts[part.reused]
    return same ? Object.assign(same, { start: part.start, end: part.end, line: part.line }) : part
  })
  return { ...after, parts }
}
