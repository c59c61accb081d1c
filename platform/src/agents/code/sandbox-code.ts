import { posix } from 'node:path'
import type { FileStat, GuestFiles } from '../../engine/guest/files.ts'
import { CodeIndex, mostFileBytes, mostFiles } from '../../kernel/codebase/code-index.ts'
import { languageOf } from '../../kernel/codebase/language.ts'
import type { CodeReader } from './code-reader.ts'

type Files = Pick<GuestFiles, 'list' | 'read'>

export interface SandboxCodeOptions {
  reader: CodeReader
  accountId: string
  runId: string
  files: () => Promise<Files>
  /** Unix milliseconds, by the clock that files get their times from. */
  now: () => number
}

/** What is known of a file, by what it was seen as. */
interface Seen {
  size: number
  modifiedAt: number
  /** It was so young when it was read that it may have been changed since without a sign. */
  wasYoung: boolean
}

interface Folder {
  index: CodeIndex
  seen: Map<string, Seen>
  refreshing: Promise<void>
}

/** Code that others have written, or that programs make. */
const passedBy = new Set(['node_modules', 'bower_components', '__pycache__', 'site-packages', 'venv', 'target', 'dist'])
const mostFolders = 10_000
const mostDepth = 40
/** Of all files that are read for one index. */
const mostBytes = 512 * 1024 * 1024
const batchBytes = 32 * 1024 * 1024
const foldersAtOnce = 8
const filesAtOnce = 8
/** A clock ticks no more rarely. */
const youngMs = 2000
const mostIndexes = 4
const readMs = 30_000

/** The code in a sandbox, read through its agent. Before each answer what has changed is read again: by size and time, then by content. */
export class SandboxCode {
  readonly #options: SandboxCodeOptions
  readonly #folders = new Map<string, Folder>()
  /** Of the last question. What is read ahead goes no other way: asking anew could make a sandbox for a run that has ended. */
  #files: Files | undefined

  constructor(options: SandboxCodeOptions) {
    this.#options = options
  }

  /** The index of a folder, as the folder is now. */
  async indexOf(path: string, signal: AbortSignal): Promise<CodeIndex> {
    const known = this.#folders.get(path)
    const folder = known ?? this.#open(path)
    this.#folders.delete(path)
    this.#folders.set(path, folder)
    for (const [oldest, { index }] of this.#folders) {
      if (this.#folders.size <= mostIndexes) break
      index.close()
      this.#folders.delete(oldest)
    }
    // One after the other: two at once would read the same.
    const refreshed = folder.refreshing.catch(() => {}).then(() => this.#refresh(folder, path, signal))
    folder.refreshing = refreshed
    refreshed.catch(() => {})
    await refreshed
    return folder.index
  }

  close(): void {
    for (const { index } of this.#folders.values()) index.close()
    this.#folders.clear()
    this.#files = undefined
  }

  #open(path: string): Folder {
    const { reader, accountId, runId } = this.#options
    const index = new CodeIndex({
      threads: reader.threads,
      contents: reader.contents,
      cache: reader.cacheOf(accountId),
      name: `${runId}\0${path}`,
      read: async (file, signal) => this.#files && (await this.#read(this.#files, file, signal)),
    })
    return { index, seen: new Map(), refreshing: Promise.resolve() }
  }

  async #refresh({ index, seen }: Folder, path: string, signal: AbortSignal): Promise<void> {
    const files = await this.#options.files()
    this.#files = files
    const found = await listed(files, path, signal)
    const removed = [...index.files.keys()].filter((each) => !found.has(each))
    for (const each of removed) seen.delete(each)
    await index.update({ changed: [], removed }, signal)
    const toRead: FileStat[] = []
    let total = 0
    for (const [each, stat] of found) {
      const before = seen.get(each)
      const isSame = before && before.size === stat.size && before.modifiedAt === stat.modifiedAt
      const passedOver = stat.size > mostFileBytes || total + stat.size > mostBytes ? 'too large' : undefined
      if (!languageOf(each) || passedOver) {
        if (!isSame || before.wasYoung) index.mention(each, passedOver)
        const { size, modifiedAt } = stat
        seen.set(each, { size, modifiedAt, wasYoung: this.#options.now() - modifiedAt < youngMs })
        continue
      }
      total += stat.size
      if (!isSame || before.wasYoung) toRead.push(stat)
    }
    for (let next = 0; next < toRead.length; ) {
      const batch: FileStat[] = []
      for (let bytes = 0; next < toRead.length && bytes < batchBytes; bytes += toRead[next++]!.size)
        batch.push(toRead[next]!)
      const changed: [string, Buffer][] = []
      await eachAtOnce(batch, filesAtOnce, async (stat) => {
        const readAt = this.#options.now()
        const bytes = await this.#read(files, stat.path, signal)
        if (!bytes) return
        const { size, modifiedAt } = stat
        seen.set(stat.path, { size, modifiedAt, wasYoung: readAt - modifiedAt < youngMs })
        changed.push([stat.path, bytes])
      })
      await index.update({ changed }, signal)
    }
  }

  /** Undefined when it cannot be read, or is another thing by now. */
  async #read(files: Files, path: string, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    const deadline = AbortSignal.timeout(readMs)
    try {
      const given = signal ? AbortSignal.any([signal, deadline]) : deadline
      const { stat, stream } = await files.read(path, { length: mostFileBytes + 1 }, given)
      if (stat.type !== 'file' || stat.size > mostFileBytes) {
        stream.destroy()
        return undefined
      }
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      const bytes = Buffer.concat(chunks)
      return bytes.length > mostFileBytes ? undefined : bytes
    } catch {
      signal?.throwIfAborted()
      return undefined
    }
  }
}

/** The files below a folder, no link followed, folder by folder: so what is passed by costs nothing. */
async function listed(files: Files, root: string, signal: AbortSignal): Promise<Map<string, FileStat>> {
  const found = new Map<string, FileStat>()
  let level = [root]
  let folders = 0
  for (let depth = 0; level.length > 0 && depth < mostDepth; depth++) {
    const below: string[] = []
    await eachAtOnce(level, foldersAtOnce, async (folder) => {
      if (++folders > mostFolders) return
      try {
        for await (const entry of files.list(folder, { depth: 1 }, signal)) {
          if (found.size >= mostFiles) return
          if (entry.type === 'directory' && !entry.name.startsWith('.') && !passedBy.has(entry.name))
            below.push(entry.path)
          else if (entry.type === 'file') {
            const path = posix.normalize(entry.path)
            found.set(path, { ...entry, path })
          }
        }
      } catch (error) {
        // One that may not be looked into is passed over; the first is what was asked for.
        signal.throwIfAborted()
        if (depth === 0) throw error
      }
    })
    level = below.sort()
  }
  return found
}

async function eachAtOnce<T>(items: readonly T[], atOnce: number, perform: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const work = async () => {
    while (next < items.length) await perform(items[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
}
