import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { WarrenError } from '../../../errors.ts'
import { parsedJson } from '../../../lib/parsed-json.ts'

/** What one message of a browser may take. A browser that sends more is cut off: it may be what a page made of it. */
const maxMessageBytes = 32 * 1024 * 1024

export type Answer = Record<string, unknown>

interface Waiting {
  resolve: (answer: Answer) => void
  reject: (error: Error) => void
}

/**
 * A connection to a browser in the Chrome DevTools Protocol. Whatever speaks there is inside a sandbox, so nothing it says is
 * believed: messages are bounded, what cannot be read is dropped, and with `signal` every call ends.
 */
export class DevTools {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Waiting>()
  readonly #events = new EventEmitter()
  #failure: Error | undefined
  #late: NodeJS.Timeout | undefined
  #last = 0

  /** Over `pipe`, to the `port` that it leads to. Rejects `unavailable` where nothing there speaks the protocol. */
  static async open(pipe: Duplex, { port, path }: { port: number; path: string }, signal: AbortSignal) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
      createConnection: (() => pipe) as never,
      maxPayload: maxMessageBytes,
      perMessageDeflate: false,
      followRedirects: false,
    })
    const devTools = new DevTools(socket, signal)
    await devTools.#opened()
    return devTools
  }

  private constructor(socket: WebSocket, signal: AbortSignal) {
    this.#socket = socket
    this.#events.setMaxListeners(0)
    const onAbort = () => this.#end(signal.reason as Error)
    socket.on('message', (data) => this.#receive(String(data)))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#end(failureOf(error)))
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort)
      clearTimeout(this.#late)
      this.#end(new WarrenError('unavailable', 'the browser ended, or let go of the connection', { hint: again }))
    })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  }

  /** What the browser answers. Rejects `conflict` with its words where it refuses. */
  call(method: string, params: object = {}, sessionId?: string): Promise<Answer> {
    if (this.#failure) return Promise.reject(this.#failure)
    const id = ++this.#last
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#waiting.set(id, { resolve, reject })
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) }))
    return promise
  }

  /** Calls `listener` with each event of that name, until the answer is called. */
  on(event: string, listener: (params: Answer, sessionId: string | undefined) => void): () => void {
    this.#events.on(eventKey(event), listener)
    return () => this.#events.off(eventKey(event), listener)
  }

  /** Settles with `promise`, or rejects when the connection ends before. */
  async orEnded<T>(promise: Promise<T>): Promise<T> {
    if (this.#failure) throw this.#failure
    const ended = Promise.withResolvers<never>()
    const key = -++this.#last
    this.#waiting.set(key, { resolve: () => {}, reject: ended.reject })
    return Promise.race([promise, ended.promise]).finally(() => this.#waiting.delete(key))
  }

  /** Whatever has no answer by then rejects `timeout`. */
  endAfter(ms: number): void {
    this.#late = setTimeout(() => this.#end(tooLate()), ms)
  }

  close(): void {
    this.#socket.terminate()
  }

  async #opened(): Promise<void> {
    const opened = new Promise<void>((resolve) => this.#socket.once('open', resolve))
    await this.orEnded(opened)
  }

  #receive(text: string): void {
    const message = asAnswer(parsedJson(text))
    const { id, error, result, method, params, sessionId } = message
    if (typeof method === 'string') {
      this.#events.emit(eventKey(method), asAnswer(params), typeof sessionId === 'string' ? sessionId : undefined)
      return
    }
    if (typeof id !== 'number' || id < 0) return
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(asAnswer(result))
    else waiting?.reject(new WarrenError('conflict', `the browser refused: ${wordsOf(error)}`))
  }

  #end(failure: Error): void {
    if (this.#failure) return
    this.#failure = failure
    for (const { reject } of this.#waiting.values()) reject(failure)
    this.#waiting.clear()
    this.#socket.terminate()
  }
}

/** An emitter throws at an event of the name `error` that nobody listens to, and here anybody names them. */
function eventKey(method: string): string {
  return `event:${method}`
}

/** Whatever it is, as something whose fields can be asked for. */
export function asAnswer(value: unknown): Answer {
  return typeof value === 'object' && value !== null ? (value as Answer) : {}
}

/** A text of the browser, at most `most` characters of it. */
export function asText(value: unknown, most = 2000): string {
  return typeof value === 'string' ? value.slice(0, most) : ''
}

export function asNumber(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

const again = 'The next call starts a new one. A page that needs more memory than the sandbox has ends it too.'

function tooLate(): WarrenError {
  return new WarrenError('timeout', 'the browser did not answer in time', {
    hint: 'Ask for a longer "timeout". A page whose script never ends answers nothing: open another one, or close the browser.',
  })
}

function failureOf(error: NodeJS.ErrnoException): Error {
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH')
    return new WarrenError('too_large', 'the browser answered with more than 32 MiB', {
      hint: 'Ask for less of it.',
      cause: error,
    })
  return new WarrenError('unavailable', 'the browser does not speak its protocol', { hint: again, cause: error })
}

function wordsOf(error: unknown): string {
  return asText(asAnswer(error).message, 300) || 'it did not say why'
}
