import { WarrenError } from '../../errors.ts'
import type { GuestConnection } from './connection.ts'
import { chunkBytes, encodeFields, Fields, kind } from './frames.ts'

export interface OutputChunk {
  stream: 'stdout' | 'stderr'
  /** Byte offset of `data` in its stream since the process started. A jump means the guest's ring dropped what lies between. */
  offset: number
  data: Buffer
}

export interface ProcessExit {
  /** null when a signal ended it. */
  exitCode: number | null
  signal: number | null
  reason: 'exited' | 'signaled' | 'timeout' | 'out_of_memory'
  /** Run time in milliseconds. */
  ms: number
  /** Output was dropped from the ring before anyone read it. */
  truncated: boolean
}

/**
 * Asks the host whether the kernel killed something in this sandbox for want of memory since the last time; or whether that
 * ended the sandbox as a whole.
 */
export type OutOfMemory = (what?: 'with the sandbox') => Promise<boolean>

const sigkill = 9
/** What a shell ends with when its last program was ended by SIGKILL: 128 + 9. */
const killedInShell = 137

/** A process inside a sandbox, as seen over one connection. It outlives the connection. */
export class GuestProcess {
  readonly id: string
  readonly pid: number
  readonly #connection: GuestConnection
  readonly #wasOutOfMemory: OutOfMemory
  readonly #startedAt = performance.now()
  readonly #exit = Promise.withResolvers<ProcessExit>()

  constructor(connection: GuestConnection, started: Fields, wasOutOfMemory: OutOfMemory) {
    this.#connection = connection
    this.#wasOutOfMemory = wasOutOfMemory
    this.id = started.text(1) ?? ''
    this.pid = started.number(2) ?? 0
    this.#exit.promise.catch(() => {})
  }

  /** Settles once `output` has been read to its end. Rejects when the connection is lost before. */
  get exit(): Promise<ProcessExit> {
    return this.#exit.promise
  }

  /** Everything the process writes; ends after its exit. To be read once. Stop reading and the process waits. */
  async *output(): AsyncGenerator<OutputChunk> {
    let isOver = false
    try {
      for (;;) {
        const frame = await this.#connection.next()
        if (!frame) throw new WarrenError('unavailable', 'the sandbox ended before the process did')
        if (frame.kind === kind.stdout || frame.kind === kind.stderr) {
          if (frame.payload.length < 8) continue
          yield {
            stream: frame.kind === kind.stdout ? 'stdout' : 'stderr',
            offset: Number(frame.payload.readBigUInt64BE(0)),
            data: frame.payload.subarray(8),
          }
        } else if (frame.kind === kind.exit) {
          this.#exit.resolve(await this.#readExit(new Fields(frame.payload)))
          isOver = true
          return
        }
      }
    } catch (error) {
      // Where the kernel is inside, want of memory may end all of it.
      if (
        error instanceof WarrenError &&
        error.code === 'unavailable' &&
        (await this.#wasOutOfMemory('with the sandbox'))
      ) {
        const ms = Math.round(performance.now() - this.#startedAt)
        this.#exit.resolve({ exitCode: null, signal: sigkill, reason: 'out_of_memory', ms, truncated: true })
        return
      }
      this.#exit.reject(error)
      throw error
    } finally {
      if (!isOver) this.#exit.reject(new WarrenError('unavailable', 'reading of the process output was given up'))
      this.#connection.close()
    }
  }

  /** Writes to standard input. Resolves when there is room for more. */
  async write(data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; at += chunkBytes) {
      await this.#connection.send(kind.stdin, data.subarray(at, at + chunkBytes))
    }
  }

  closeStdin(): Promise<void> {
    return this.#connection.send(kind.stdinEof)
  }

  /** Signals the whole process group. */
  signal(signalNumber: number): Promise<void> {
    return this.#connection.send(
      kind.signalRunning,
      encodeFields([
        [1, signalNumber],
        [2, 1],
      ]),
    )
  }

  resize(cols: number, rows: number): Promise<void> {
    return this.#connection.send(
      kind.resize,
      encodeFields([
        [1, cols],
        [2, rows],
      ]),
    )
  }

  /** Drops the connection; the process goes on. */
  detach(): void {
    this.#connection.close()
  }

  async #readExit(fields: Fields): Promise<ProcessExit> {
    const exitCode = fields.number(1) ?? null
    const signal = fields.number(2) ?? null
    const told = fields.text(3)
    const reason =
      told === 'timeout'
        ? 'timeout'
        : (told === 'oom_suspected' || exitCode === killedInShell) && (await this.#wasOutOfMemory())
          ? 'out_of_memory'
          : signal === null
            ? 'exited'
            : 'signaled'
    return { exitCode, signal, reason, ms: fields.number(4) ?? 0, truncated: fields.text(5) === '1' }
  }
}
