import type { CodeFile, CodeSymbol } from './code-file.ts'
import type { CodeIndex } from './code-index.ts'

export interface FindSymbols {
  /** A name, a part of one, or `Outer.inner`. */
  query: string
  kind?: string | undefined
  /** Only below this path. */
  path?: string | undefined
  most: number
}

/** What defines a name, the likeliest first: the name itself, then one that begins with it, holds it, or has its letters in order. */
export function findSymbols(index: CodeIndex, { query, kind, path, most }: FindSymbols): CodeSymbol[] {
  const parts = query.split(/\.|::|#|->/).filter(Boolean)
  const name = parts.at(-1) ?? ''
  if (!name) return []
  const outer = parts.slice(0, -1)
  const wanted = name.toLowerCase()
  let [found, worst]: [Found[], number] = [[], 0]
  for (const file of index.files.values()) {
    if (path !== undefined && !isBelow(file.path, path)) continue
    const names = file.analysis ? rank(file, name, wanted) : undefined
    if (!names) continue
    for (const symbol of file.symbols()) {
      const score = names.get(symbol.name)
      if (score === undefined || score < worst || (kind && symbol.kind !== kind)) continue
      if (outer.length > 0 && !endsWith(symbol.within, outer)) continue
      found.push({ symbol, score: score - (weights[symbol.kind] ?? 0) })
    }
    if (found.length > 20 * most + 1000) {
      found = best(found, most)
      worst = found.at(-1)!.score
    }
  }
  return best(found, most).map(({ symbol }) => symbol)
}

interface Found {
  symbol: CodeSymbol
  score: number
}

/** Less than what tells two ways to match apart. */
const weights: Record<string, number> = { declaration: 0.4, variable: 0.2, field: 0.3, constant: 0.1 }

/** Names of a file that match, with how well. */
function rank({ analysis }: CodeFile, name: string, wanted: string): Map<string, number> | undefined {
  const names = new Map<string, number>()
  for (const part of analysis!.parts)
    for (const each of part.names) {
      if (each.length < name.length || names.has(each)) continue
      const score = matched(each, name, wanted)
      if (score > 0) names.set(each, score)
    }
  return names.size > 0 ? names : undefined
}

function matched(each: string, name: string, wanted: string): number {
  if (each === name) return 6
  if (each.length > 200) return 0
  const lower = each.toLowerCase()
  if (lower === wanted) return 5
  if (wanted.length < 2) return 0
  const at = lower.indexOf(wanted)
  if (at === 0) return 4 + wanted.length / (lower.length + 1) / 2
  if (at > 0) return 2 + wanted.length / (lower.length + 1) / 2
  return wanted.length >= 3 && initials(each, wanted) ? 1 : 0
}

/** Whether letters are found in order, each at the beginning of a word of the name or right behind the one before: `fsym` in `findSymbols`. */
function initials(each: string, wanted: string): boolean {
  let at = 0
  let next = 0
  for (const char of wanted) {
    for (; at < each.length; at++) {
      if (each[at]!.toLowerCase() !== char) continue
      const begins = at === 0 || /[A-Z]/.test(each[at]!) || /[_\W]/.test(each[at - 1]!)
      if (begins || at === next) break
    }
    if (at >= each.length) return false
    next = ++at
  }
  return true
}

function best(found: readonly Found[], most: number): Found[] {
  return [...found]
    .sort(
      (a, b) =>
        b.score - a.score ||
        a.symbol.path.length - b.symbol.path.length ||
        (a.symbol.path < b.symbol.path ? -1 : a.symbol.path > b.symbol.path ? 1 : 0) ||
        a.symbol.start - b.symbol.start,
    )
    .slice(0, most)
}

function endsWith(within: string | undefined, outer: readonly string[]): boolean {
  return within !== undefined && `.${within}`.toLowerCase().endsWith(`.${outer.join('.')}`.toLowerCase())
}

/** A path is below itself. */
export function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}
