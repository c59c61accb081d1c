import { errorFromResponse, WarrenError } from './error.ts'
import { readServerSentEvents } from './server-sent-events.ts'

export type Query = Record<string, string | number | boolean | undefined>

/** What may be sent as a body as it is. An async iterable or a stream is sent while it is made. */
export type Content = string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

export interface RequestOptions {
  query?: Query
  /** Sent as JSON. */
  json?: unknown
  /** Sent as bytes. */
  content?: Content
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
}

/** Carries requests to one server with one key. Every failure comes out as a WarrenError, an abort as the signal's reason. */
export class Transport {
  readonly baseUrl: string
  readonly #apiKey: string | undefined
  readonly #organisation: string | undefined

  constructor(baseUrl: string, apiKey: string | undefined, organisation?: string | undefined) {
    this.baseUrl = baseUrl.replace(/\/+$/, '')
    this.#apiKey = apiKey
    this.#organisation = organisation
  }

  /** The key as headers, and the organisation that is acted for. X-API-Key leaves Authorization free for what runs in a sandbox. */
  authorization(): Record<string, string> {
    return {
      ...(this.#apiKey ? { 'X-API-Key': this.#apiKey } : {}),
      ...(this.#organisation ? { 'Warren-Organisation': this.#organisation } : {}),
    }
  }

  async json<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
    const response = await this.send(method, path, options)
    return (await response.json()) as T
  }

  /** For answers without a body that matters. */
  async done(method: string, path: string, options?: RequestOptions): Promise<void> {
    const response = await this.send(method, path, options)
    await response.body?.cancel()
  }

  async send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const headers: Record<string, string> = { ...this.authorization(), ...options.headers }
    const init: RequestInit & { duplex?: 'half' } = { method, headers, signal: options.signal ?? null }
    if (options.json !== undefined) {
      headers['Content-Type'] = 'application/json'
      init.body = JSON.stringify(options.json)
    } else if (options.content !== undefined) {
      headers['Content-Type'] ??= 'application/octet-stream'
      init.body = bodyOf(options.content)
      if (init.body instanceof ReadableStream) init.duplex = 'half'
    }
    const response = await this.fetch(this.url(path, options.query), init)
    if (!response.ok) throw await errorFromResponse(response)
    return response
  }

  /** `fetch` whose failure to get any answer is a WarrenError `unavailable`. */
  async fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init)
    } catch (cause) {
      init.signal?.throwIfAborted()
      const reason = reasonOf(cause)
      throw new WarrenError('unavailable', `no answer from ${this.baseUrl}: ${reason}`, {
        hint: 'Is a Warren server running there?',
        details: { noAnswer: reason },
        cause,
      })
    }
  }

  /** The events of a stream, their data parsed. A connection that breaks is a WarrenError `unavailable`. */
  async *events(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): AsyncGenerator<{ event: string; data: unknown }, void> {
    const headers = { ...options.headers, Accept: 'text/event-stream' }
    const response = await this.send(method, path, { ...options, headers })
    if (!response.body) return
    try {
      for await (const { event, data } of readServerSentEvents(response.body)) yield { event, data: JSON.parse(data) }
    } catch (cause) {
      options.signal?.throwIfAborted()
      throw new WarrenError('unavailable', `the stream from ${this.baseUrl} broke: ${reasonOf(cause)}`, { cause })
    }
  }

  /**
   * Opens a WebSocket; `onMessage` misses nothing. The key travels as a subprotocol: browsers cannot set headers, and a
   * URL ends up in logs.
   */
  async socket(path: string, query: Query, onMessage: (data: string | ArrayBuffer) => void): Promise<WebSocket> {
    const protocols = this.#apiKey ? ['warren', `warren.key.${this.#apiKey}`] : ['warren']
    // Node has one from version 22 on.
    if (typeof WebSocket === 'undefined') {
      throw new WarrenError('unavailable', 'a terminal needs WebSocket, which this JavaScript runtime does not have', {
        hint: 'Use Node 22 or later, or set globalThis.WebSocket, for example to that of the package ws.',
      })
    }
    const socket = new WebSocket(this.url(path, query).replace(/^http/, 'ws'), protocols)
    socket.binaryType = 'arraybuffer'
    socket.onmessage = ({ data }) => onMessage(data)
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve()
      // A browser does not tell a script why a WebSocket was refused.
      socket.onerror = () =>
        reject(new WarrenError('unavailable', `${this.baseUrl} did not open a WebSocket at ${path}`))
    })
    return socket
  }

  url(path: string, query: Query = {}): string {
    // `fetch` would take it for a step to another address.
    if (path.split('/').some((part) => part === '.' || part === '..'))
      throw new WarrenError('invalid_request', 'no name may be "." or "..", and no part of a path between slashes')
    const parameters = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value))
    const text = parameters.toString()
    return `${this.baseUrl}${path}${text && `?${text}`}`
  }
}

function bodyOf(content: Content): NonNullable<RequestInit['body']> {
  if (typeof content === 'object' && Symbol.asyncIterator in content && !(content instanceof ReadableStream)) {
    return streamOf(content)
  }
  return content as NonNullable<RequestInit['body']>
}

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}

/** `fetch` says only "fetch failed"; the reason is in its cause, and for several addresses one level further down. */
function reasonOf(cause: unknown): string {
  for (let error = cause; error instanceof Error; error = error.cause) {
    const { code } = error as { code?: unknown }
    if (code === 'ECONNREFUSED') return 'connection refused'
    if (typeof code === 'string') return error.message || code
    if (error.cause === undefined) return error.message
  }
  return String(cause)
}
