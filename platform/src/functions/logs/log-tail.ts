import { randomBytes } from 'node:crypto'
import type { Failure } from '../invocations/invocation.ts'
import type { InvocationState } from '../invocations/invocations.ts'
import { type EndedCall, stateAfter } from '../invocations/record.ts'

/** Something that is told of a call: a line that it wrote, or that an attempt has ended. */
export type LogEntry = {
  /** Rises from entry to entry; 0 for what was read from the database. */
  seq: number
  /** Unix milliseconds. */
  at: number
  invocation: string
  version: number
} & (
  | {
      type: 'line'
      /** Where in the log of its call it begins, characters. */
      offset: number
      text: string
    }
  | { type: 'end'; state: InvocationState; error?: Failure; billedMs: number; cold: boolean }
)

type LogOf = Pick<EndedCall, 'id' | 'version'>

interface Tail {
  entries: LogEntry[]
  bytes: number
  /** What has this number or a smaller one is not held any more. */
  forgotten: number
  /** Of calls that run: so many characters of their log are told. */
  told: Map<string, number>
  followers: number
  wake: PromiseWithResolvers<void>
  drop: NodeJS.Timeout | undefined
}

/** How much of one function, and of all together, is held for those who follow. */
const mostBytes = { one: 1 << 20, all: 64 << 20 }
/** An entry counts for so many bytes beside its text. */
const entryBytes = 200
/** What has no end of a line is told when it is longer, characters. */
const longestLine = 16_384
/** Who comes back within this time misses nothing and gets nothing twice, milliseconds. */
const lingerMs = 60_000

/**
 * What functions write, as they write it, for those who follow it. Of a function that nobody follows nothing is held, so that its
 * calls cost no more.
 */
export class LogTails {
  /** Tells the entries of this process from those of an earlier one. */
  readonly epoch = randomBytes(6).toString('hex')
  readonly #running: (functionId: string) => (LogOf & { log: string })[]
  readonly #tails = new Map<string, Tail>()
  #seq = 0

  /** `running` answers what calls that run have written so far. */
  constructor(running: (functionId: string) => (LogOf & { log: string })[]) {
    this.#running = running
  }

  /** The number of the newest entry. */
  get seq(): number {
    return this.#seq
  }

  /** From now on what the function writes is held, with what calls that run have written, until the answered function is called and for a while after. */
  watch(functionId: string): () => void {
    const tail = this.#tails.get(functionId) ?? this.#make(functionId)
    clearTimeout(tail.drop)
    tail.followers++
    return () => {
      tail.followers--
      if (tail.followers > 0 || this.#tails.get(functionId) !== tail) return
      tail.drop = setTimeout(() => this.#tails.delete(functionId), lingerMs).unref()
    }
  }

  /** `log` is all that the call has written so far. */
  wrote(functionId: string, call: LogOf, log: string): void {
    const tail = this.#tails.get(functionId)
    if (tail) this.#tell(tail, call, log, false)
  }

  /** An attempt has ended, and its end lasts. */
  ended(call: EndedCall): void {
    if (this.#tails.size === 0) return
    const tail = this.#tails.get(call.functionId)
    if (!tail) return
    this.#tell(tail, call, call.log, true)
    tail.told.delete(call.id)
    const { id: invocation, version, failure, billedMs, cold } = call
    const end = { at: call.endedAt, invocation, version, state: stateAfter(call), billedMs, cold }
    this.#add(tail, { type: 'end', seq: ++this.#seq, ...end, ...(failure ? { error: failure } : {}) })
  }

  /** What came after `seq`; undefined where some of that is not held, or the function is gone. */
  after(functionId: string, seq: number): LogEntry[] | undefined {
    const tail = this.#tails.get(functionId)
    if (!tail || seq < tail.forgotten) return undefined
    // The newest are asked for most.
    let from = tail.entries.length
    while (from > 0 && tail.entries[from - 1]!.seq > seq) from--
    return tail.entries.slice(from)
  }

  /** What calls that run have written, up to `seq`. */
  ofRunning(functionId: string, seq: number): LogEntry[] {
    const tail = this.#tails.get(functionId)
    return tail?.entries.filter((entry) => entry.seq <= seq && tail.told.has(entry.invocation)) ?? []
  }

  /** Resolves when there is more, or the signal aborts. */
  async changed(functionId: string, signal: AbortSignal): Promise<void> {
    const tail = this.#tails.get(functionId)
    if (!tail || signal.aborted) return
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    const onAbort = () => resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    await Promise.race([tail.wake.promise, aborted])
    signal.removeEventListener('abort', onAbort)
  }

  has(functionId: string): boolean {
    return this.#tails.has(functionId)
  }

  /** The function is gone. */
  forget(functionId: string): void {
    const tail = this.#tails.get(functionId)
    if (!tail) return
    clearTimeout(tail.drop)
    this.#tails.delete(functionId)
    tail.wake.resolve()
  }

  #make(functionId: string): Tail {
    const tail: Tail = {
      ...{ entries: [], bytes: 0, forgotten: this.#seq, told: new Map(), followers: 0 },
      ...{ wake: Promise.withResolvers<void>(), drop: undefined },
    }
    this.#tails.set(functionId, tail)
    for (const { log, ...call } of this.#running(functionId)) this.#tell(tail, call, log, false)
    return tail
  }

  /** Line by line; what the last one has no end of is told when the call has ended. */
  #tell(tail: Tail, { id, version }: LogOf, log: string, isAll: boolean): void {
    let offset = tail.told.get(id) ?? 0
    while (offset < log.length) {
      const end = log.indexOf('\n', offset)
      const isWhole = end >= 0 && end - offset <= longestLine
      if (!isWhole && !isAll && log.length - offset < longestLine) break
      const text = log.slice(offset, isWhole ? end : Math.min(offset + longestLine, log.length))
      const line = { at: Date.now(), invocation: id, version, offset, text }
      this.#add(tail, { type: 'line', seq: ++this.#seq, ...line })
      offset += text.length + (isWhole ? 1 : 0)
    }
    tail.told.set(id, offset)
  }

  #add(tail: Tail, entry: LogEntry): void {
    tail.entries.push(entry)
    tail.bytes += sizeOf(entry)
    const room = Math.min(mostBytes.one, mostBytes.all / this.#tails.size)
    let gone = 0
    for (; tail.bytes > room && gone < tail.entries.length; gone++) tail.bytes -= sizeOf(tail.entries[gone]!)
    if (gone > 0) tail.forgotten = tail.entries.splice(0, gone).at(-1)!.seq
    tail.wake.resolve()
    tail.wake = Promise.withResolvers()
  }
}

function sizeOf(entry: LogEntry): number {
  return entryBytes + (entry.type === 'line' ? 2 * entry.text.length : 0)
}
