import type { CodeSymbol } from './code-file.ts'
import type { CodeIndex } from './code-index.ts'
import { LineTable } from './line-table.ts'

export interface SelectContext {
  /** What is asked or to be done, in words; names in it count most. */
  question: string
  /** Tokens. */
  budget: number
  /** Paths that are worked on. */
  near?: readonly string[] | undefined
}

export interface ContextPiece {
  path: string
  /** From 1. */
  line: number
  endLine: number
  text: string
  /** What it is chosen for. */
  reason: string
}

type CountTokens = (text: string) => number

const mostPieces = 60
/** Of a longer definition the beginning is shown. */
const mostLines = 120
const common = new Set(
  'the and for with from that this what where which when how does should would can are was has have not into code file files function functions class method methods use used using make get set add new all any its'.split(
    ' ',
  ),
)

/**
 * The pieces of code that say most about a question, the best first, in no more tokens than there are: definitions whose names
 * or paths the question speaks of, the rarer the word the more it counts, then those in files that are near by imports.
 */
export async function selectContext(
  { index, countTokens }: { index: CodeIndex; countTokens: CountTokens },
  { question, budget, near = [] }: SelectContext,
  signal?: AbortSignal,
): Promise<ContextPiece[]> {
  const scored = score(index, wordsOf(question), near)
  const pieces: ContextPiece[] = []
  const taken = new Map<string, [number, number][]>()
  let left = budget
  for (const { symbol, reason } of scored) {
    if (left < 20 || pieces.length >= mostPieces) break
    const bytes = await index.contentOf(symbol.path, signal)
    if (!bytes) continue
    const piece = pieceOf(symbol, bytes, left, countTokens)
    const known = taken.get(symbol.path) ?? []
    if (!piece || known.some(([start, end]) => start <= piece.line && piece.endLine <= end)) continue
    taken.set(symbol.path, [...known, [piece.line, piece.endLine]])
    pieces.push({ ...piece, reason })
    left -= countTokens(piece.text) + headTokens
  }
  return pieces
}

/** For the line that says where it is from. */
const headTokens = 20

interface Scored {
  symbol: CodeSymbol
  score: number
  reason: string
}

function score(index: CodeIndex, words: ReadonlySet<string>, near: readonly string[]): Scored[] {
  const files = [...index.files.values()].filter(({ analysis }) => analysis)
  // How many files have names with a word in them: what is everywhere says little.
  const spread = new Map<string, number>()
  const parts = new Map<string, readonly string[]>()
  const partsOf = (name: string) => {
    let known = parts.get(name)
    if (!known) {
      known = subwords(name).filter((word) => words.has(word))
      if (words.has(name.toLowerCase())) known = [...known, name.toLowerCase()]
      parts.set(name, known)
    }
    return known
  }
  for (const file of files)
    for (const word of new Set(file.names().flatMap(partsOf))) spread.set(word, (spread.get(word) ?? 0) + 1)
  const weight = (word: string) => Math.log(1 + files.length / (1 + (spread.get(word) ?? 0)))

  const found: Scored[] = []
  const strength = new Map<string, number>()
  for (const file of files) {
    const ofPath = [...new Set(subwords(file.path.split('/').slice(-2).join('/')))].filter((word) => words.has(word))
    const pathScore = ofPath.reduce((sum, word) => sum + weight(word), 0)
    if (pathScore === 0 && !file.names().some((name) => partsOf(name).length > 0)) continue
    for (const symbol of file.symbols()) {
      if (symbol.kind === 'declaration' || (symbol.within?.split('.').length ?? 0) > 2) continue
      const own = [...new Set(partsOf(symbol.name))]
      let value = own.reduce((sum, word) => sum + weight(word), 0)
      // A name that is spelled in the question as it is.
      if (words.has(`=${symbol.name}`)) value += 2 * weight(symbol.name.toLowerCase()) + 2
      if (value === 0) continue
      value += pathScore / 2
      if (symbol.kind === 'field' || symbol.kind === 'variable') value /= 2
      found.push({ symbol, score: value, reason: `named by ${own.join(', ')}` })
      strength.set(file.path, Math.max(strength.get(file.path) ?? 0, value))
    }
  }
  const strongest = [...strength].sort((a, b) => b[1] - a[1]).slice(0, 5)
  const steps = index.graph.distances([...near, ...strongest.map(([path]) => path)], 2)
  for (const each of found) {
    const distance = steps.get(each.symbol.path)
    if (distance !== undefined) each.score *= 1 + 0.5 / (1 + distance)
    if (near.includes(each.symbol.path)) each.score *= 1.5
  }
  return found
    .sort((a, b) => b.score - a.score || (a.symbol.path < b.symbol.path ? -1 : 1) || a.symbol.start - b.symbol.start)
    .slice(0, 4 * mostPieces)
}

/** The definition with the comment above it, as long as there is room. */
function pieceOf(
  symbol: CodeSymbol,
  bytes: Buffer,
  left: number,
  countTokens: CountTokens,
): Omit<ContextPiece, 'reason'> | undefined {
  const lines = new LineTable(bytes)
  const lineText = (line: number) => bytes.toString('utf8', ...lines.bordersOf(line))
  let first = lines.lineAt(symbol.start)
  while (first > 0 && /^\s*(\/\/|\/?\*|#(?!include)|"""|@)/.test(lineText(first - 1)) && symbol.line - first < 20)
    first--
  const last = Math.min(lines.lineAt(Math.max(symbol.start, symbol.end - 1)), first + mostLines - 1)
  let text = ''
  let end = first
  for (let line = first; line <= last; line++) {
    const next = `${text}${text && '\n'}${lineText(line).slice(0, 400)}`
    if (countTokens(next) + headTokens > left) break
    text = next
    end = line
  }
  return text.trim() ? { path: symbol.path, line: first + 1, endLine: end + 1, text } : undefined
}

function wordsOf(question: string): Set<string> {
  const words = new Set<string>()
  for (const [name] of question.slice(0, 20_000).matchAll(/[\p{L}_$][\p{L}\d_$]*/gu)) {
    if (/[a-z][A-Z]|_|\d|^[A-Z]/.test(name)) words.add(`=${name}`)
    for (const word of [name.toLowerCase(), ...subwords(name)])
      if (word.length > 2 && !common.has(word)) for (const form of formsOf(word)) words.add(form)
  }
  return words
}

/** `parseHTMLFile` as parse, html, file; each also without its ending. */
function subwords(name: string): string[] {
  const parts = name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[\u0080-\uffff]+/g) ?? []
  return parts.flatMap((part) => (part.length > 2 ? formsOf(part.toLowerCase()) : []))
}

function formsOf(word: string): string[] {
  const stem = word.replace(/(ings?|ers?|ors?|ed|es|s|e)$/, '')
  return stem.length >= 3 && stem !== word ? [word, stem] : [word]
}
