import { errorFromEvent, WarrenError } from './error.ts'
import type { OutputCallbacks, ProcessExit, ProcessOptions } from './execute.ts'
import { chunkFromEvent, type OutputChunk } from './output-chunk.ts'
import type { Content, Transport } from './transport.ts'

export interface TerminalSize {
  cols: number
  rows: number
}

/** With callbacks the output is read from the start on, whether or not somebody waits. */
export interface SpawnOptions extends ProcessOptions, OutputCallbacks {
  /** Run it in a terminal of this size. */
  pty?: TerminalSize | undefined
  /** Keep its standard input open for `write`. */
  stdin?: boolean | undefined
  /** A label of your own. */
  tag?: string | undefined
}

export interface OutputOptions {
  /** From which byte of each stream on; default everything that the sandbox still holds. */
  stdoutOffset?: number | undefined
  stderrOffset?: number | undefined
  signal?: AbortSignal | undefined
}

/** How long a broken stream of output is tried again before it counts as lost; a restart of the server fits in. */
const resumeMs = 30_000

/** A process that runs by itself in a sandbox. */
export class Process {
  readonly id: string
  /** Its number inside the sandbox; undefined on a handle that came from `processes.get`. */
  readonly pid: number | undefined
  readonly #transport: Transport
  readonly #path: string
  readonly #heard: Promise<ProcessExit> | undefined

  constructor(
    transport: Transport,
    sandboxPath: string,
    { id, pid, onStdout, onStderr }: { id: string; pid?: number } & OutputCallbacks,
  ) {
    this.id = id
    this.pid = pid
    this.#transport = transport
    this.#path = `${sandboxPath}/processes/${encodeURIComponent(id)}`
    if (onStdout || onStderr) {
      this.#heard = this.#hear({ onStdout, onStderr })
      // Its failure is told by `wait`; who does not wait must not be punished with an unhandled rejection.
      this.#heard.catch(() => {})
    }
  }

  /**
   * Its output, then, as the generator's return value, how it ended. Goes on by itself where it stopped when the connection
   * breaks or the server is restarted. Stop reading and the process waits.
   */
  async *output(options: OutputOptions = {}): AsyncGenerator<OutputChunk, ProcessExit> {
    const next = { stdout: options.stdoutOffset, stderr: options.stderrOffset }
    let brokenSince: number | undefined
    for (;;) {
      const query = { stdoutOffset: next.stdout, stderrOffset: next.stderr }
      try {
        for await (const { event, data } of this.#transport.events('GET', `${this.#path}/output`, {
          query,
          signal: options.signal,
        })) {
          brokenSince = undefined
          const chunk = chunkFromEvent(event, data)
          if (chunk) {
            next[chunk.stream] = chunk.offset + chunk.bytes.length
            yield chunk
          } else if (event === 'exit') return data as ProcessExit
          else if (event === 'error') throw errorFromEvent(data)
        }
      } catch (error) {
        if (!(error instanceof WarrenError) || error.code !== 'unavailable') throw error
        if (brokenSince !== undefined && Date.now() - brokenSince > resumeMs) throw error
      }
      options.signal?.throwIfAborted()
      brokenSince ??= Date.now()
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }

  /**
   * Waits for its end. Its output goes to the callbacks given here, from the first byte that the sandbox still holds;
   * without any, to those given to `spawn`, which have then seen all of it.
   */
  wait(options: OutputCallbacks & { signal?: AbortSignal | undefined } = {}): Promise<ProcessExit> {
    const { onStdout, onStderr, signal } = options
    if (!this.#heard || onStdout || onStderr) return this.#hear(options)
    return signal ? unlessAborted(this.#heard, signal) : this.#heard
  }

  /** Writes to its standard input. It must have been started with `stdin` or `pty`, and not have ended: else `conflict`. */
  write(content: Content): Promise<void> {
    return this.#transport.done('POST', `${this.#path}/stdin`, { content })
  }

  closeStdin(): Promise<void> {
    return this.#transport.done('POST', `${this.#path}/stdin`, { query: { eof: true }, content: '' })
  }

  /** Sends a signal, by name or number, to the process and its children. */
  signal(signal: string | number): Promise<void> {
    return this.#transport.done('POST', `${this.#path}/signal`, { json: { signal } })
  }

  resize(size: TerminalSize): Promise<void> {
    return this.#transport.done('POST', `${this.#path}/resize`, { json: size })
  }

  /** Ends it and its children with SIGKILL. */
  kill(): Promise<void> {
    return this.#transport.done('DELETE', this.#path)
  }

  async #hear({ onStdout, onStderr, ...options }: OutputCallbacks & OutputOptions): Promise<ProcessExit> {
    const output = this.output(options)
    for (;;) {
      const { done, value } = await output.next()
      if (done) return value
      await (value.stream === 'stdout' ? onStdout : onStderr)?.(value.text, value)
    }
  }
}

/** `promise`, or the rejection with the reason of `signal` once that is aborted. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
