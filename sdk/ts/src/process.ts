import { errorFromEvent, WarrenError } from './error.ts'
import type { ProcessExit, ProcessOptions } from './execute.ts'
import { chunkFromEvent, type OutputChunk } from './output-chunk.ts'
import type { Content, Transport } from './transport.ts'

export interface TerminalSize {
  cols: number
  rows: number
}

export interface SpawnOptions extends ProcessOptions {
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
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, sandboxPath: string, id: string) {
    this.id = id
    this.#transport = transport
    this.#path = `${sandboxPath}/processes/${encodeURIComponent(id)}`
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

  /** Waits for its end, reading and dropping what it prints. */
  async wait(options: { signal?: AbortSignal } = {}): Promise<ProcessExit> {
    const output = this.output(options)
    for (;;) {
      const { done, value } = await output.next()
      if (done) return value
    }
  }

  /** Writes to its standard input. It must have been started with `stdin` or `pty`. */
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
}
