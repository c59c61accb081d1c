import type { CodeFile, CodeSymbol } from './code-file.ts'
import type { CodeIndex } from './code-index.ts'
import { isBelow } from './find-symbols.ts'
import { LineTable } from './line-table.ts'
import type { Use } from './locate.ts'

export interface Reference {
  path: string
  /** From 1. */
  line: number
  use: Use | 'definition'
  text: string
  /** What it stands in. */
  within?: string
  /** The file, or one that it imports, defines the name. */
  near: boolean
}

export interface FindReferences {
  name: string
  path?: string | undefined
  most: number
}

export interface References {
  references: Reference[]
  /** Files that hold the name and were not looked at. */
  unread: number
}

const atOnce = 8
const mostLineChars = 200

/**
 * Where a name is used, comments and strings left out. By the name: what else has the same name is found too, after what is in
 * files that define it or import such a file.
 */
export async function findReferences(
  { index, locate }: { index: CodeIndex; locate: Locate },
  { name, path, most }: FindReferences,
  signal?: AbortSignal,
): Promise<References> {
  const defining = new Set(index.definitionsOf(name).map((symbol) => symbol.path))
  const steps = nearness(index, defining)
  const files = index
    .filesWith(name)
    .filter((file) => path === undefined || isBelow(file.path, path))
    .sort((a, b) => (steps.get(a.path) ?? 9) - (steps.get(b.path) ?? 9) || (a.path < b.path ? -1 : 1))
  const references: Reference[] = []
  let next = 0
  while (next < files.length && references.length < most) {
    const batch = files.slice(next, next + atOnce)
    next += batch.length
    const found = await Promise.all(
      batch.map((file) => ofFile({ index, locate }, file, { name, most: most - references.length }, signal)),
    )
    for (const [at, own] of found.entries()) {
      const near = (steps.get(batch[at]!.path) ?? 9) <= 1
      references.push(...own.map((reference) => ({ ...reference, near })))
    }
  }
  return { references: references.slice(0, most), unread: files.length - next > 0 ? files.length - next : 0 }
}

export type Locate = (
  request: {
    language: string
    bytes: Buffer
    name: string
    pieces: readonly { start: number; end: number }[]
    most: number
  },
  signal?: AbortSignal,
) => Promise<{ place: number; use: Use }[]>

async function ofFile(
  { index, locate }: { index: CodeIndex; locate: Locate },
  file: CodeFile,
  { name, most }: { name: string; most: number },
  signal: AbortSignal | undefined,
): Promise<Omit<Reference, 'near'>[]> {
  const bytes = await index.contentOf(file.path, signal)
  if (!bytes || !file.language) return []
  const pieces = (file.analysis?.parts ?? []).map(({ start, end }) => ({ start, end }))
  const places = await locate({ language: file.language, bytes, name, pieces, most }, signal).catch(() => {
    signal?.throwIfAborted()
    return []
  })
  if (places.length === 0) return []
  const lines = new LineTable(bytes)
  const symbols = file.symbols()
  const defined = new Set(symbols.filter((symbol) => symbol.name === name).map(({ nameStart }) => nameStart))
  return places.map(({ place, use }) => {
    const within = around(symbols, place)
    return {
      path: file.path,
      line: lines.lineAt(place) + 1,
      use: defined.has(place) ? 'definition' : use,
      text: lineOf(bytes, place),
      ...(within && { within: within.within ? `${within.within}.${within.name}` : within.name }),
    }
  })
}

/** 0 for files that define it, 1 for those that import one. */
function nearness(index: CodeIndex, defining: ReadonlySet<string>): Map<string, number> {
  const steps = new Map<string, number>()
  for (const path of defining) for (const [other] of index.graph.dependentsOf(path)) steps.set(other, 1)
  for (const path of defining) steps.set(path, 0)
  return steps
}

/** The smallest that holds a place, other than by its own name. */
function around(symbols: readonly CodeSymbol[], place: number): CodeSymbol | undefined {
  let found: CodeSymbol | undefined
  for (const symbol of symbols) {
    if (symbol.start > place) break
    if (symbol.end > place && symbol.nameStart !== place && symbol.end - symbol.start > symbol.name.length)
      found = symbol
  }
  return found
}

/** The line around a place, without what it is indented by. */
export function lineOf(bytes: Buffer, place: number): string {
  const start = bytes.lastIndexOf(10, place) + 1
  const end = bytes.indexOf(10, place)
  return bytes
    .toString(
      'utf8',
      Math.max(start, place - mostLineChars),
      Math.min(end < 0 ? bytes.length : end, place + mostLineChars),
    )
    .trim()
    .slice(0, mostLineChars)
}
