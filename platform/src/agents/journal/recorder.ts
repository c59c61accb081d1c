import { hash } from 'node:crypto'
import type { AgentSpec } from '../agent.ts'
import type { Redactor } from '../safety/redactor.ts'
import type { Entry, Fact } from './entry.ts'
import type { Recorded } from './recorded.ts'
import { apply, begin, type RunState, stateOf } from './run-state.ts'

/** Where entries are kept. Rejects with `Superseded` when somebody else writes by now. */
export interface Journal {
  /** Resolves when they are on the disk; earlier calls come before later ones. */
  append(entries: readonly Recorded[]): Promise<void>
  keepBlob(hash: string, text: string): Promise<void>
  readBlob(hash: string): Promise<string | undefined>
}

/** Another process has taken the run over: this one must not do anything more for it. */
export class Superseded extends Error {
  override readonly name = 'Superseded'
}

/** Keeps everything in memory: for replay, and for runs without a server. */
export class MemoryJournal implements Journal {
  readonly entries: Entry[] = []
  readonly #blobs = new Map<string, string>()

  append(entries: readonly Recorded[]): Promise<void> {
    for (const { entry } of entries) this.entries.push(entry)
    return Promise.resolve()
  }

  keepBlob(key: string, text: string): Promise<void> {
    this.#blobs.set(key, text)
    return Promise.resolve()
  }

  readBlob(key: string): Promise<string | undefined> {
    return Promise.resolve(this.#blobs.get(key))
  }
}

/** What need not be on the disk before the run goes on waits so long for what comes with it, and no more than so many entries. */
const gatherMs = 20
const mostGathered = 256

interface RecorderOptions {
  journal: Journal
  redactor: Redactor
  now: () => number
  durability: NonNullable<AgentSpec['durability']>
  /** Told of each entry when it is made, before it is on the disk. */
  onEntry?: (entry: Entry) => void
  /** Told when entries can be read by others. */
  onWritten?: () => void
}

/** The one way into a run's journal: numbers entries, takes secrets out, keeps the state and writes. */
export class Recorder {
  readonly #options: RecorderOptions
  #state: RunState | undefined
  #pending: Recorded[] = []
  #writing: Promise<void> = Promise.resolve()
  #isQueued = false
  #later: NodeJS.Timeout | undefined
  #failure: unknown

  /** `entries`: what the journal holds already. */
  constructor(options: RecorderOptions, entries: readonly Entry[]) {
    this.#options = options
    this.#state = stateOf(entries)
  }

  get state(): RunState {
    if (!this.#state) throw new Error('the journal has no beginning')
    return this.#state
  }

  record(fact: Fact): Entry {
    const { redactor, now, onEntry } = this.#options
    const { value: data, json } = redactor.cleaned(fact.data)
    const entry = { seq: (this.#state?.seq ?? 0) + 1, at: now(), type: fact.type, data } as Entry
    if (this.#state) apply(this.#state, entry)
    else if (entry.type === 'run.started') this.#state = begin(entry.data, entry)
    this.#pending.push({ entry, json })
    onEntry?.(entry)
    return entry
  }

  /** Numbered and applied, but for the caller to write: with something else in one transaction. */
  take(): Recorded[] {
    clearTimeout(this.#later)
    this.#later = undefined
    const entries = this.#pending
    this.#pending = []
    return entries
  }

  /**
   * Resolves when all that was recorded may be relied on: when it is on the disk, or with durability `effects` at once, unless
   * `must`. Rejects when it could not be written, now or before.
   */
  async flush(must = false): Promise<void> {
    if (this.#failure) throw this.#failure
    if (!must && this.#options.durability === 'effects' && this.#pending.length < mostGathered) {
      if (this.#pending.length > 0) this.#later ??= setTimeout(() => this.#write(), gatherMs).unref()
      return
    }
    this.#write()
    await this.#writing
    if (this.#failure) throw this.#failure
  }

  #write(): void {
    this.#later = undefined
    // One that waits for the write before it takes along what comes meanwhile.
    if (this.#pending.length === 0 || this.#isQueued) return
    this.#isQueued = true
    const { journal, onWritten } = this.#options
    const write = this.#writing.then(async () => {
      this.#isQueued = false
      const entries = this.take()
      if (entries.length === 0) return
      await journal.append(entries)
      onWritten?.()
    })
    this.#writing = write.catch((error) => {
      this.#failure = error
    })
  }

  /** Resolves when nothing is being written; what waits is for `take`. Rejects when something could not be written. */
  async written(): Promise<void> {
    await this.#writing
    if (this.#failure) throw this.#failure
  }

  /** Keeps a whole result, or an image; answers the hash by which it is found. */
  async keep(text: string, key = hash('sha256', text, 'hex')): Promise<string> {
    await this.#options.journal.keepBlob(key, text)
    return key
  }
}
