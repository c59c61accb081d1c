import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { threadsFor } from '../../platform/src/agents/code/code-reader.ts'
import { AnalysisCache } from '../../platform/src/kernel/codebase/analysis-cache.ts'
import { CodeIndex } from '../../platform/src/kernel/codebase/code-index.ts'
import { CodeThreads } from '../../platform/src/kernel/codebase/code-threads.ts'
import { Contents } from '../../platform/src/kernel/codebase/contents.ts'
import { findReferences } from '../../platform/src/kernel/codebase/find-references.ts'
import { findSymbols } from '../../platform/src/kernel/codebase/find-symbols.ts'
import { loadGrammar, parse } from '../../platform/src/kernel/codebase/grammar.ts'
import { editTree } from '../../platform/src/kernel/codebase/parsed-text.ts'
import { searchCode } from '../../platform/src/kernel/codebase/search-code.ts'
import { type Figure, figure } from '../measure/figure.ts'

const root = fileURLToPath(new URL('../../node_modules/', import.meta.url))
/** What TypeScript publishes of itself, and libraries written in it. */
const packages = ['typescript', '@typescript/typescript-linux-*', '@types/node', 'zod', 'kysely', 'undici', 'fastify']
const leastLines = 300_000
const edits = 30

type Sources = [path: string, bytes: Buffer][]

/** How fast code is read: all of it cold, again from the disk, after an edit, and asked about. */
export async function measureCodebase({
  quick,
  tell,
}: {
  quick: boolean
  tell: (line: string) => void
}): Promise<Figure[]> {
  const { sources, lines } = published(quick ? 30_000 : leastLines)
  const megabytes = sources.reduce((sum, [, bytes]) => sum + bytes.length, 0) / 1e6
  tell(`code: ${sources.length} files, ${lines} lines, ${megabytes.toFixed(1)} MB`)
  const folder = await mkdtemp(join(tmpdir(), 'warren-bench-'))
  const threads = new CodeThreads({ most: threadsFor(availableParallelism()) })
  try {
    const open = () => {
      const contents = new Map(sources)
      const cache = new AnalysisCache(folder)
      const read = async (path: string) => contents.get(path)
      const index = new CodeIndex({ threads, contents: new Contents(1 << 28), name: 'bench', cache, read })
      return { index, cache }
    }
    const first = open()
    const cold = await cpuOf(() => first.index.update({ changed: sources }))
    await first.cache.flush()
    const { index } = open()
    const warm = await cpuOf(() => index.update({ changed: sources }))
    const size = `${Math.round(lines / 1000)}k lines`
    const symbols = [...index.files.values()].reduce((sum, file) => sum + file.names().length, 0)
    tell(`code: ${symbols} names, ${cold.seconds.toFixed(1)} s cold, ${warm.seconds.toFixed(1)} s from the disk`)
    const middle = [...sources].sort((a, b) => a[1].length - b[1].length)[Math.floor(sources.length * 0.9)]!
    const largest = sources.reduce((a, b) => (a[1].length > b[1].length ? a : b))
    return [
      figure(`code, CPU to index ${size} cold`, cold.cpu, 's', { most: 3 }),
      figure(`code, CPU to index ${size} from the disk`, warm.cpu, 's', { most: 1 }),
      figure(`code, after an edit of ${kilobytes(middle)} kB, p50`, await afterEdits(index, middle), 'ms', {
        most: 50,
      }),
      figure(`code, after an edit of ${kilobytes(largest)} kB, p50`, await afterEdits(index, largest), 'ms', {
        most: 50,
      }),
      figure('code, parsing 218 kB again after an edit, p50', await reparse(), 'ms', { most: 1 }),
      ...(await questions(index, threads)),
    ]
  } finally {
    await threads.close()
    await rm(folder, { recursive: true, force: true })
  }
}

function published(least: number): { sources: Sources; lines: number } {
  const sources: Sources = []
  let lines = 0
  for (const name of packages)
    for (const path of globSync(`${name}/**/*.{ts,mts,cts,js,mjs,cjs}`, { cwd: root }).sort()) {
      if (lines >= least) return { sources, lines }
      const bytes = readFileSync(join(root, path))
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++
      sources.push([path, bytes])
    }
  return { sources, lines }
}

/** From the new content to an index that knows it, each time with a line more. */
async function afterEdits(index: CodeIndex, [path, bytes]: Sources[number]): Promise<number> {
  const times: number[] = []
  let edited = bytes
  for (let round = 0; round < edits; round++) {
    const at = edited.indexOf(10, Math.floor((edited.length * ((round * 7) % edits)) / edits)) + 1
    edited = Buffer.concat([edited.subarray(0, at), Buffer.from(`// line ${round}\n`), edited.subarray(at)])
    const before = performance.now()
    await index.update({ changed: [[path, edited]] })
    times.push(performance.now() - before)
  }
  return median(times)
}

/** The parser alone, on a whole file that is parsed and then has a name changed. */
async function reparse(): Promise<number> {
  const grammar = await loadGrammar('typescript')
  const [path] = globSync('@typescript/typescript-linux-*/lib/lib.es5.d.ts', { cwd: root })
  let text = readFileSync(join(root, path!), 'latin1')
  let tree = (await parse(grammar, text))!
  const times: number[] = []
  for (let round = 0; round < edits; round++) {
    const at = text.indexOf('value', Math.floor((text.length * round) / edits / 2))
    // As it comes from a file: not as pieces that are put together when they are first read.
    const edited = Buffer.from(`${text.slice(0, at)}other${text.slice(at + 5)}`, 'latin1').toString('latin1')
    const before = performance.now()
    editTree(tree, text, edited)
    const next = (await parse(grammar, edited, tree))!
    times.push(performance.now() - before)
    tree.delete()
    tree = next
    text = edited
  }
  tree.delete()
  return median(times)
}

async function questions(index: CodeIndex, threads: CodeThreads): Promise<Figure[]> {
  const timed = async (ask: () => unknown) => {
    const times: number[] = []
    for (let round = 0; round < edits; round++) {
      const before = performance.now()
      await ask()
      times.push(performance.now() - before)
    }
    return median(times)
  }
  const locate = threads.locate.bind(threads)
  return [
    figure(
      'code, find_symbol by a part of a name, p50',
      await timed(() => findSymbols(index, { query: 'stringif', most: 30 })),
      'ms',
      { most: 50 },
    ),
    figure(
      'code, 30 references, p50',
      await timed(() => findReferences({ index, locate }, { name: 'Readable', most: 30 })),
      'ms',
      { most: 200 },
    ),
    figure(
      'code, search of a text, p50',
      await timed(() => searchCode({ index, threads }, { pattern: 'not to be found anywhere', most: 30 })),
      'ms',
      { most: 200 },
    ),
  ]
}

async function cpuOf(perform: () => Promise<unknown>): Promise<{ cpu: number; seconds: number }> {
  const startedAt = performance.now()
  const before = process.cpuUsage()
  await perform()
  const { user, system } = process.cpuUsage(before)
  return { cpu: (user + system) / 1e6, seconds: (performance.now() - startedAt) / 1000 }
}

function kilobytes([, bytes]: Sources[number]): number {
  return Math.round(bytes.length / 1000)
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1]!
}
