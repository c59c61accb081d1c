import { errorFromEvent, WarrenError } from './error.ts'
import { keepHead, type OutputCallbacks } from './execute.ts'
import { chunkFromEvent } from './output-chunk.ts'
import type { Transport } from './transport.ts'

export interface ContextInfo {
  id: string
  language: 'python'
  state: 'idle' | 'busy'
  /** Where it began. */
  cwd: string
  createdAt: string
}

/** How a piece of code went. */
export interface ContextOutcome {
  /** After `died` and `out_of_memory` the context is gone. */
  reason: 'completed' | 'raised' | 'timeout' | 'died' | 'out_of_memory'
  /** What the last expression was worth, as the language writes it. */
  result?: string
  error?: { name: string; message: string; traceback: string }
  /** Of an interpreter that died. */
  exitCode?: number
  signal?: string
}

export interface ContextResult extends ContextOutcome {
  stdout: string
  stderr: string
  /** There was more than the 8 MiB of each stream that a result holds. Callbacks get all of it. */
  truncated: boolean
}

export interface ContextExecuteOptions extends OutputCallbacks {
  /** Seconds after which the code is interrupted, and two seconds later its context killed. */
  timeout?: number | undefined
  /** Aborting interrupts the code; the context stays. */
  signal?: AbortSignal | undefined
}

/** Interpreters of a sandbox that keep what they have been told. */
export class Contexts {
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#path = `${sandboxPath}/contexts`
  }

  /** Forked from an interpreter with the usual libraries loaded; the first of a sandbox waits for that one. */
  async create(
    options: { language?: 'python' | undefined; cwd?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Context> {
    const { signal, ...json } = options
    const { id } = await this.#transport.json<ContextInfo>('POST', this.#path, { json, signal })
    return this.get(id)
  }

  async list(): Promise<ContextInfo[]> {
    return (await this.#transport.json<{ contexts: ContextInfo[] }>('GET', this.#path)).contexts
  }

  /** A context created earlier, by its id. Asks nothing: a wrong id shows with the first use. */
  get(id: string): Context {
    return new Context(this.#transport, `${this.#path}/${encodeURIComponent(id)}`, id)
  }
}

/** One interpreter. It runs one piece of code at a time. */
export class Context {
  readonly id: string
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, path: string, id: string) {
    this.id = id
    this.#transport = transport
    this.#path = path
  }

  /** Runs code and waits for its end. An exception in it is a result, not an error. */
  async execute(code: string, options: ContextExecuteOptions = {}): Promise<ContextResult> {
    const { onStdout, onStderr, signal, timeout } = options
    const request = { json: { code, timeout }, signal }
    if (!onStdout && !onStderr) return this.#transport.json('POST', `${this.#path}/execute`, request)

    const kept = { stdout: keepHead(), stderr: keepHead() }
    for await (const { event, data } of this.#transport.events('POST', `${this.#path}/execute`, request)) {
      const chunk = chunkFromEvent(event, data)
      if (chunk) {
        kept[chunk.stream].add(chunk.text)
        await (chunk.stream === 'stdout' ? onStdout : onStderr)?.(chunk.text, chunk)
      } else if (event === 'outcome') {
        const { stdout, stderr } = kept
        const truncated = stdout.truncated() || stderr.truncated()
        return { stdout: stdout.text(), stderr: stderr.text(), truncated, ...(data as ContextOutcome) }
      } else if (event === 'error') throw errorFromEvent(data)
    }
    throw new WarrenError('unavailable', 'the stream ended before the code did')
  }

  /** Ends it and the processes it has started. */
  remove(): Promise<void> {
    return this.#transport.done('DELETE', this.#path)
  }
}
