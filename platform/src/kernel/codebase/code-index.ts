import { AnalysisCache } from './analysis-cache.ts'
import { CodeFile, type CodeSymbol } from './code-file.ts'
import type { CodeThreads } from './code-threads.ts'
import type { Contents } from './contents.ts'
import { ImportGraph } from './import-graph.ts'
import { hasWord, wordsIn } from './words-in.ts'

/** Larger files are known by name and are not read. */
export const mostFileBytes = 16 * 1024 * 1024
/** More files are left aside, the last ones. */
export const mostFiles = 50_000

/** After so many files that broke what reads them no more are read: they are made to. */
const mostBroken = 10

export interface CodeIndexOptions {
  threads: CodeThreads
  contents: Contents
  /** Names it among others that have the same contents. */
  name: string
  cache?: AnalysisCache
  /** What is in a file now; undefined when it is gone or too large. */
  read: (path: string, signal: AbortSignal | undefined) => Promise<Buffer | undefined>
}

export interface Changes {
  /** Files that are new or other than they were, by path. */
  changed: Iterable<readonly [path: string, bytes: Buffer]>
  removed?: Iterable<string>
}

/** What the files of a codebase define, and who imports whom. Only what changes is looked at again. */
export class CodeIndex {
  readonly #options: CodeIndexOptions
  readonly #files = new Map<string, CodeFile>()
  #graph: ImportGraph | undefined
  #updating: Promise<unknown> = Promise.resolve()
  #broken = 0

  constructor(options: CodeIndexOptions) {
    this.#options = options
  }

  get files(): ReadonlyMap<string, CodeFile> {
    return this.#files
  }

  get graph(): ImportGraph {
    this.#graph ??= new ImportGraph(
      [...this.#files.values()].flatMap((file) =>
        file.language && file.analysis ? [{ path: file.path, language: file.language, imports: file.imports() }] : [],
      ),
      this.#files.keys(),
    )
    return this.#graph
  }

  /** Takes changes in. One after the other, whoever asks. */
  update(changes: Changes, signal?: AbortSignal): Promise<void> {
    const done = this.#updating.then(() => this.#update(changes, signal))
    this.#updating = done.catch(() => {})
    return done
  }

  /** Names a file that is new or has changed and is not analysed: it is too large, or not of a language. */
  mention(path: string, passedOver?: string): void {
    const known = this.#files.get(path)
    this.#options.contents.remove(this.#nameOf(path))
    if (known && !known.analysis) {
      known.passedOver = passedOver
      return
    }
    if (!known && this.#files.size >= mostFiles) return
    const file = new CodeFile(path)
    file.passedOver = passedOver
    this.#files.set(path, file)
    this.#graph = undefined
  }

  /** What is in a file, as it is now or was when it was last looked at. */
  async contentOf(path: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    const { contents, read } = this.#options
    const kept = contents.get(this.#nameOf(path))
    if (kept) return kept
    const bytes = await read(path, signal)
    return bytes && contents.put(this.#nameOf(path), bytes)
  }

  /** Reads ahead what is likely asked for next: what these files import and who imports them. */
  async prefetch(paths: readonly string[], most = 20): Promise<void> {
    const near = this.graph.distances(paths, 1)
    for (const path of [...near.keys()].slice(0, most)) await this.contentOf(path).catch(() => {})
  }

  /** Files that have a word in them, as far as is known without reading them. */
  filesWith(word: string): CodeFile[] {
    const numbers = wordsIn(Buffer.from(word))
    return [...this.#files.values()].filter(({ analysis }) => {
      return analysis !== undefined && numbers.every((number) => hasWord(analysis.words, number))
    })
  }

  /** What defines exactly this name. */
  definitionsOf(name: string): CodeSymbol[] {
    return this.filesWith(name)
      .filter((file) => file.names().includes(name))
      .flatMap((file) => file.symbols().filter((symbol) => symbol.name === name))
  }

  /** Forgets contents; what is asked of it afterwards is read again. */
  close(): void {
    for (const path of this.#files.keys()) this.#options.contents.remove(this.#nameOf(path))
    this.#files.clear()
  }

  async #update({ changed, removed = [] }: Changes, signal: AbortSignal | undefined): Promise<void> {
    for (const path of removed) {
      if (!this.#files.delete(path)) continue
      this.#options.contents.remove(this.#nameOf(path))
      this.#graph = undefined
    }
    // Those that are known first: the edit that is waited for.
    const files = [...changed].sort(([a], [b]) => Number(this.#files.has(b)) - Number(this.#files.has(a)))
    const results = await Promise.allSettled(files.map(([path, bytes]) => this.#take(path, bytes, signal)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
  }

  async #take(path: string, bytes: Buffer, signal: AbortSignal | undefined): Promise<void> {
    const { threads, contents, cache } = this.#options
    const known = this.#files.get(path)
    if (!known && this.#files.size >= mostFiles) return
    const file = known ?? new CodeFile(path)
    this.#files.set(path, file)
    if (!known) this.#graph = undefined
    const refuse = (reason: string) => {
      if (file.analysis) this.#graph = undefined
      contents.remove(this.#nameOf(path))
      file.set(undefined, reason)
    }
    if (bytes.length > mostFileBytes) return refuse('too large')
    if (isBinary(bytes)) return refuse('binary')
    if (this.#broken >= mostBroken) return refuse('not read: too many others could not be')
    const before = file.analysis && contents.get(this.#nameOf(path))
    if (before?.equals(bytes)) return
    const content = contents.put(this.#nameOf(path), bytes)
    if (!file.language) return file.set(undefined)
    const previous = file.analysis && before ? { bytes: before, analysis: file.analysis } : undefined
    const imports = previous && [...file.imports()].join('\n')
    try {
      const key = AnalysisCache.keyOf(file.language, content)
      const kept = previous ? undefined : await cache?.get(key)
      if (kept) file.set(kept)
      else {
        const request = { language: file.language, bytes: content, previous, key: this.#nameOf(path) }
        const { analysis, packed } = await threads.analyse(request, signal)
        if (packed) cache?.put(key, packed)
        file.set(analysis)
      }
    } catch (error) {
      signal?.throwIfAborted()
      this.#broken++
      // Whatever it is made of, it does not keep the others from being found.
      return refuse(error instanceof Error ? error.message : String(error))
    }
    if (imports === undefined || imports !== [...file.imports()].join('\n')) this.#graph = undefined
  }

  #nameOf(path: string): string {
    return `${this.#options.name}\0${path}`
  }
}

/** As git tells it: by a zero byte near the beginning. */
function isBinary(bytes: Buffer): boolean {
  const at = bytes.indexOf(0)
  return at >= 0 && at < 8000
}
