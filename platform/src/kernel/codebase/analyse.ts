import type { Tree } from 'web-tree-sitter'
import { type AnalysedPart, type Analysis, columns, symbolKinds } from './analysis.ts'
import { type LoadedGrammar, loadGrammar, parse } from './grammar.ts'
import { LineTable } from './line-table.ts'
import { editTree, ParsedText } from './parsed-text.ts'
import { type Piece, skimScript } from './skim-script.ts'
import { hasWord, wordsIn } from './words-in.ts'

export interface AnalyseRequest {
  language: string
  bytes: Buffer
  /** What the file was before, and what was found in it. */
  previous?: { bytes: Buffer; analysis: Analysis } | undefined
  /** Names the file among others, so that its trees are found again. */
  key: string
}

/** What of a file is parsed: from `from` to `to`, where before were the bytes up to `to - delta`. */
interface Stretch {
  pieces: Piece[]
  cuts: number[]
  from: number
  to: number
}

interface Change {
  start: number
  oldEnd: number
  newEnd: number
}

/** More text in one piece is not parsed: it is data, or the output of a program. */
const mostParsedBytes = 2 * 1024 * 1024
const mostTreeBytes = 4 * 1024 * 1024
const mostNameBytes = 256
/** In smaller files the words are looked for anew after each edit. */
const smallBytes = 256 * 1024

/** Trees of what was edited of late, by file and place: for the next edit. */
const trees = new Map<string, { tree: Tree; text: string }>()
let treeBytes = 0

/** Finds what a file defines and what it imports. After an edit only what lies around it is looked at. */
export async function analyse({ language, bytes, previous, key }: AnalyseRequest): Promise<Analysis> {
  const grammar = await loadGrammar(language)
  const before = previous?.analysis.language === language ? previous : undefined
  const change = before && changeBetween(before.bytes, bytes)
  const stretch = stretchOf(grammar, bytes, before?.analysis, change)
  const delta = change ? change.newEnd - change.oldEnd : 0
  const kept = before?.analysis.parts ?? []
  const head = kept.filter(({ start }) => start < stretch.from)
  const tail = kept.filter(({ start }) => start >= stretch.to - delta && stretch.to < bytes.length)
  const old = new Map(kept.map((part) => [`${part.start}-${part.end}`, part]))
  const firstLine = kept.find(({ start }) => start === stretch.from)?.line ?? 0
  const lines = new LineTable(bytes, { from: stretch.from, to: stretch.to, firstLine })

  const parts: AnalysedPart[] = []
  for (const piece of stretch.pieces) {
    const again = change && unchanged(old, piece, change)
    const part = again ?? (await analysePart(grammar, bytes, piece, { lines, key, keep: before !== undefined }))
    parts.push({ ...part, start: piece.start, end: piece.end, line: lines.lineAt(piece.start) })
  }
  const tailLines = tail[0] ? lines.lineAt(stretch.to) - tail[0].line : 0
  const moved = tail.map((part) => ({
    ...part,
    start: part.start + delta,
    end: part.end + delta,
    line: part.line + tailLines,
  }))
  const isSmall = !before || bytes.length <= smallBytes
  return {
    language,
    lines: tail[0] && before ? before.analysis.lines + tailLines : lines.count,
    cuts: [
      ...(before?.analysis.cuts ?? []).filter((place) => place <= stretch.from && stretch.from > 0),
      ...stretch.cuts,
      ...(tail[0] ? before!.analysis.cuts.filter((place) => place + delta >= stretch.to).map((at) => at + delta) : []),
    ],
    parts: [...head, ...parts, ...moved],
    words: isSmall ? wordsIn(bytes) : withMore(before.analysis.words, wordsIn(bytes, ...around(change!, bytes.length))),
  }
}

function stretchOf(
  { language }: LoadedGrammar,
  bytes: Buffer,
  before: Analysis | undefined,
  change: Change | undefined,
): Stretch {
  const whole = { pieces: [{ start: 0, end: bytes.length, gaps: [] }], cuts: [], from: 0, to: bytes.length }
  if (!language.inPieces) return whole
  const oldCuts = new Set(change ? before!.cuts : [])
  const from = change ? (before!.cuts.findLast((place) => place < change.start) ?? 0) : 0
  const skimmed = skimScript(
    bytes,
    from,
    (place) => change !== undefined && place > change.newEnd && oldCuts.has(place - change.newEnd + change.oldEnd),
  )
  if (skimmed) return { ...skimmed, from, to: skimmed.end }
  return from > 0 ? stretchOf({ language } as LoadedGrammar, bytes, undefined, undefined) : whole
}

/** What was found in a piece that is as it was. */
function unchanged(old: ReadonlyMap<string, AnalysedPart>, { start, end }: Piece, change: Change) {
  if (end < change.start) return old.get(`${start}-${end}`)
  const delta = change.newEnd - change.oldEnd
  return start > change.newEnd ? old.get(`${start - delta}-${end - delta}`) : undefined
}

async function analysePart(
  grammar: LoadedGrammar,
  bytes: Buffer,
  piece: Piece,
  { lines, key, keep }: { lines: LineTable; key: string; keep: boolean },
): Promise<AnalysedPart> {
  const nothing = { start: 0, end: 0, line: 0, columns: new Int32Array(0), names: [], imports: [] }
  let text = new ParsedText(bytes, piece)
  if (text.text.length > mostParsedBytes) return { ...nothing, passedOver: 'too large' }
  if (text.isTooDeep) return { ...nothing, passedOver: 'too deep' }
  const name = `${key}:${piece.start}`
  const known = trees.get(name)
  if (known) editTree(known.tree, known.text, text.text)
  let tree = await parse(grammar, text.text, known?.tree)
  forgetTree(name)
  if (!tree) return { ...nothing, passedOver: 'took too long' }
  if (tree.rootNode.hasError && piece.gaps.length > 0) {
    // What was left out may be what it lacks. If it is not, the error is one of the code.
    const whole = new ParsedText(bytes, { ...piece, gaps: [] })
    const ofWhole = whole.text.length > mostParsedBytes || whole.isTooDeep ? null : await parse(grammar, whole.text)
    const worse = ofWhole && !ofWhole.rootNode.hasError ? tree : ofWhole
    if (worse === tree) [tree, text] = [ofWhole!, whole]
    worse?.delete()
  }
  try {
    return { ...nothing, ...symbolsOf(grammar, tree, text, { bytes, piece, lines }) }
  } finally {
    if (keep) keepTree(name, tree, text.text)
    else tree.delete()
  }
}

interface Around {
  bytes: Buffer
  piece: Piece
  lines: LineTable
}

function symbolsOf({ query }: LoadedGrammar, tree: Tree, text: ParsedText, { bytes, piece, lines }: Around) {
  const imports = new Set<string>()
  const places = new Map<number, number>()
  const numbers: number[] = []
  const names: string[] = []
  const firstLine = lines.lineAt(piece.start)
  const spelled = (start: number, end: number) => bytes.toString('utf8', start, end)
  for (const { captures } of query.matches(tree.rootNode)) {
    let name = captures.find((capture) => capture.name === 'name')?.node
    const its = captures.find((capture) => capture.name !== 'name')
    if (!its) continue
    if (!name) {
      const said = captures.at(-1)!
      const called = spelled(text.startOf(said.node), text.endOf(said.node)).slice(0, mostNameBytes)
      if (said.name === 'module.import') imports.add(`mod ${called}`)
      else if (said.name === 'member') {
        const from = spelled(text.startOf(its.node), text.endOf(its.node))
        imports.add(from.endsWith('.') ? `${from}${called}` : `${from}.${called}`)
      } else imports.add(called.replace(/^["<]|[">]$/g, ''))
      continue
    }
    // Of `a::b::c` the last.
    while (name.type === 'qualified_identifier') {
      const last: typeof name | null = name.childForFieldName('name')
      if (!last) break
      name = last
    }
    const kind = symbolKinds.indexOf(its.name as (typeof symbolKinds)[number])
    const [nameStart, nameEnd] = [text.startOf(name), text.endOf(name)]
    if (kind < 0 || nameEnd - nameStart > mostNameBytes) continue
    const [start, end] = [text.startOf(its.node), text.endOf(its.node)]
    const values = [nameStart, nameEnd, start, end].map((place) => place - piece.start)
    const row = [...values, lines.lineAt(nameStart) - firstLine, lines.lineAt(end) - firstLine, kind]
    const at = places.get(nameStart)
    if (at === undefined) {
      places.set(nameStart, names.length)
      names.push(spelled(nameStart, nameEnd))
      numbers.push(...row)
    } else if (isVague(numbers[(at + 1) * columns - 1]!))
      for (const [place, value] of row.entries()) numbers[at * columns + place] = value
  }
  return { columns: Int32Array.from(numbers), names, imports: [...imports] }
}

/** Patterns overlap: a function in a variable is a function. */
function isVague(kind: number): boolean {
  return symbolKinds[kind] === 'variable' || symbolKinds[kind] === 'type'
}

function keepTree(name: string, tree: Tree, text: string): void {
  trees.set(name, { tree, text })
  treeBytes += text.length
  for (const oldest of trees.keys()) {
    if (treeBytes <= mostTreeBytes) break
    forgetTree(oldest)
  }
}

function forgetTree(name: string): void {
  const known = trees.get(name)
  if (!known) return
  trees.delete(name)
  treeBytes -= known.text.length
  known.tree.delete()
}

/** What lies between the beginning and the end that two contents share. */
function changeBetween(before: Buffer, after: Buffer): Change {
  const most = Math.min(before.length, after.length)
  const step = 64 * 1024
  let start = 0
  while (start + step <= most && before.compare(after, start, start + step, start, start + step) === 0) start += step
  while (start < most && before[start] === after[start]) start++
  let [oldEnd, newEnd] = [before.length, after.length]
  while (
    Math.min(oldEnd, newEnd) - step >= start &&
    before.compare(after, newEnd - step, newEnd, oldEnd - step, oldEnd) === 0
  ) {
    oldEnd -= step
    newEnd -= step
  }
  while (oldEnd > start && newEnd > start && before[oldEnd - 1] === after[newEnd - 1]) {
    oldEnd--
    newEnd--
  }
  return { start, oldEnd, newEnd }
}

/** From a word before a change to one behind it. */
function around({ start, newEnd }: Change, size: number): [number, number] {
  return [Math.max(0, start - mostNameBytes), Math.min(size, newEnd + mostNameBytes)]
}

/** Words that are gone stay: having one too many is harmless. */
function withMore(words: Uint32Array, found: Uint32Array): Uint32Array {
  const added = found.filter((word) => !hasWord(words, word))
  return added.length === 0 ? words : Uint32Array.from([...words, ...added]).sort()
}
