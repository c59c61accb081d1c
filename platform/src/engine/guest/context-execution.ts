import { WarrenError } from '../../errors.ts'
import type { GuestConnection } from './connection.ts'
import { type ContextResult, maxResultBytes, readResult, type WrittenValues } from './context-result.ts'
import { Fields, kind } from './frames.ts'
import type { OutputChunk } from './process.ts'

/** How a piece of code in a context went. All texts come from the sandbox. */
export interface ContextOutcome {
  /** `died`: the interpreter's process ended, and with it what it has been told. */
  reason: 'completed' | 'raised' | 'timeout' | 'died' | 'out_of_memory'
  /** What the last expression was worth, as the language writes it. */
  result?: string
  error?: { name: string; message: string; traceback: string }
  /** Of a process that died. */
  exitCode?: number
  signal?: number
}

/** What comes while code runs: `started` when its turn has come, what it prints, what it shows. */
export type ContextEvent =
  | { stream: 'started'; count: number }
  | OutputChunk
  | { stream: 'result'; result: ContextResult; written: WrittenValues }

const sigkill = 9
/** What is longer comes from no interpreter of ours. */
const longestText = 512 * 1024

/** A piece of code that runs in a context, as seen over its connection. It is interrupted when the connection ends. */
export class GuestExecution {
  readonly #connection: GuestConnection
  readonly #wasOutOfMemory: () => Promise<boolean>
  readonly #outcome = Promise.withResolvers<ContextOutcome>()
  /** Of the context, this one included; 0 while it waits for its turn. */
  #count: number
  #interrupted = false
  #value: string | undefined

  constructor(connection: GuestConnection, started: Fields, wasOutOfMemory: () => Promise<boolean>) {
    this.#connection = connection
    this.#count = started.count(1)
    this.#wasOutOfMemory = wasOutOfMemory
    this.#outcome.promise.catch(() => {})
  }

  /** Settles once `events` has been read to its end. */
  get outcome(): Promise<ContextOutcome> {
    return this.#outcome.promise
  }

  /** Everything it prints and shows; ends with it. To be read once. Stop reading and the code waits. */
  async *events(): AsyncGenerator<ContextEvent> {
    let pieces: Buffer[] = []
    try {
      if (this.#count > 0) yield { stream: 'started', count: this.#count }
      for (;;) {
        const frame = await this.#connection.next()
        if (!frame) throw new WarrenError('unavailable', 'the context ended before its code did')
        if (frame.kind === kind.started) {
          this.#count = new Fields(frame.payload).count(1)
          yield { stream: 'started', count: this.#count }
        } else if (frame.kind === kind.stdout || frame.kind === kind.stderr) {
          if (frame.payload.length < 8) continue
          const stream = frame.kind === kind.stdout ? 'stdout' : 'stderr'
          const offset = Number(frame.payload.readBigUInt64BE(0))
          yield { stream, offset, data: frame.payload.subarray(8) }
        } else if (frame.kind === kind.contextDisplay) {
          pieces.push(frame.payload.subarray(1))
          // A copy that is too large is not kept: what follows is not read as a result either.
          if (pieces.reduce((sum, piece) => sum + piece.length, 0) > maxResultBytes) pieces = [Buffer.alloc(0)]
          if (frame.payload[0] === 1) continue
          const shown = readResult(Buffer.concat(pieces))
          pieces = []
          if (shown?.result.main) this.#value = shown.result.text
          if (shown) yield { stream: 'result', ...shown }
        } else if (frame.kind === kind.contextResult) {
          this.#outcome.resolve(await this.#read(new Fields(frame.payload)))
          return
        }
      }
    } catch (error) {
      this.#outcome.reject(error)
      throw error
    } finally {
      this.#outcome.reject(new WarrenError('unavailable', 'reading of the output was given up'))
      this.#connection.close()
    }
  }

  /** Interrupts the code; two seconds later its interpreter is killed. */
  async interrupt(): Promise<void> {
    this.#interrupted = true
    await this.#connection.send(kind.contextInterrupt)
  }

  /** Drops the connection, which interrupts the code. */
  abandon(): void {
    this.#connection.close()
  }

  async #read(fields: Fields): Promise<ContextOutcome> {
    const told = fields.text(1)
    const [exitCode, signal] = [fields.number(6), fields.number(7)]
    if (told === 'died') {
      const outOfMemory = signal === sigkill && !this.#interrupted && (await this.#wasOutOfMemory())
      const reason = outOfMemory ? 'out_of_memory' : 'died'
      return { reason, ...(exitCode === undefined ? {} : { exitCode }), ...(signal === undefined ? {} : { signal }) }
    }
    const text = (tag: number) => (fields.text(tag) ?? '').slice(0, longestText)
    if (told === 'completed') {
      const result = this.#value?.slice(0, longestText)
      return { reason: told, ...(result === undefined ? {} : { result }) }
    }
    const error = { name: text(3), message: text(4), traceback: text(5) }
    return { reason: this.#interrupted ? 'timeout' : 'raised', error }
  }
}
