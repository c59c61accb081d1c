import { errorFromEvent, WarrenError } from './error.ts'
import { keepHead, type OutputCallbacks } from './execute.ts'
import { chunkFromEvent } from './output-chunk.ts'
import type { Transport } from './transport.ts'

/** What a sandbox has to bring: python3 for all of them, node for the second and the third, bash, Rscript, a JDK with jshell. */
export type ContextLanguage = 'python' | 'javascript' | 'typescript' | 'bash' | 'r' | 'java'

export interface ContextInfo {
  id: string
  language: ContextLanguage
  state: 'idle' | 'busy'
  /** Where it began. */
  cwd: string
  createdAt: string
}

/** Something that code has shown, in all the forms it has. It comes from the sandbox. */
export interface ContextOutput {
  /** Whether it is what the last expression was worth; else it was shown on the way. */
  main: boolean
  /** As the language writes it. */
  text?: string
  html?: string
  markdown?: string
  svg?: string
  /** Base64, as the next two. */
  png?: string
  jpeg?: string
  pdf?: string
  latex?: string
  javascript?: string
  /** Of lists and objects. */
  json?: unknown
  /** The columns of a table of pandas. */
  data?: Record<string, unknown>
  /** What a figure of matplotlib shows, as numbers. */
  chart?: Record<string, unknown>
  /** Forms of other types, by MIME type. */
  extra: Record<string, unknown>
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
  /** What was shown, in its order: pictures, tables, the value of the last expression. */
  results: ContextOutput[]
  /** There was more than the 8 MiB of each stream, or the 16 MiB of results, that are kept. Callbacks get all of it. */
  truncated: boolean
}

export interface ContextExecuteOptions extends OutputCallbacks {
  /** Gets what is shown as soon as it is there. */
  onResult?: ((result: ContextOutput) => unknown) | undefined
  /** Set while this code runs, and only then. */
  env?: Record<string, string> | undefined
  /** Seconds after which the code is interrupted, and two seconds later its context killed. */
  timeout?: number | undefined
  /** Aborting interrupts the code; the context stays. */
  signal?: AbortSignal | undefined
}

const keptResultCharacters = 16 * 1024 * 1024

/** Interpreters of a sandbox that keep what they have been told. */
export class Contexts {
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#path = `${sandboxPath}/contexts`
  }

  /** One of Python is forked from an interpreter with the usual libraries loaded; the first of a sandbox waits for that one. */
  async create(
    options: {
      language?: ContextLanguage | undefined
      cwd?: string | undefined
      signal?: AbortSignal | undefined
    } = {},
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
    const { onStdout, onStderr, onResult, signal, timeout, env } = options
    const request = { json: { code, timeout, env }, signal }
    if (!onStdout && !onStderr && !onResult) return this.#transport.json('POST', `${this.#path}/execute`, request)

    const kept = { stdout: keepHead(), stderr: keepHead() }
    const results: ContextOutput[] = []
    let room = keptResultCharacters
    for await (const { event, data } of this.#transport.events('POST', `${this.#path}/execute`, request)) {
      const chunk = chunkFromEvent(event, data)
      if (chunk) {
        kept[chunk.stream].add(chunk.text)
        await (chunk.stream === 'stdout' ? onStdout : onStderr)?.(chunk.text, chunk)
      } else if (event === 'result') {
        const result = data as ContextOutput
        room -= JSON.stringify(result).length
        if (room >= 0) results.push(result)
        await onResult?.(result)
      } else if (event === 'outcome') {
        const { stdout, stderr } = kept
        const truncated = stdout.truncated() || stderr.truncated() || room < 0
        return { stdout: stdout.text(), stderr: stderr.text(), results, truncated, ...(data as ContextOutcome) }
      } else if (event === 'error') throw errorFromEvent(data)
    }
    throw new WarrenError('unavailable', 'the stream ended before the code did')
  }

  /** Lets it forget what it has been told; what it runs is ended. */
  restart(): Promise<void> {
    return this.#transport.done('POST', `${this.#path}/restart`)
  }

  /** Ends it and the processes it has started. */
  remove(): Promise<void> {
    return this.#transport.done('DELETE', this.#path)
  }
}
