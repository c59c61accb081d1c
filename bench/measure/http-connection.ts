import { once } from 'node:events'
import net from 'node:net'

export interface HttpAnswer {
  status: number
  body: Buffer
}

interface Waiting {
  resolve: (answer: HttpAnswer) => void
  reject: (error: Error) => void
}

/**
 * One kept-alive HTTP/1.1 connection, one request at a time. Written for measuring: it does no more than a client must,
 * so that what it reports is the server's time. Knows answers with a length, in chunks, or without a body.
 */
export class HttpConnection {
  readonly #socket: net.Socket
  readonly #head: string
  #received: Buffer = Buffer.alloc(0)
  #waiting: Waiting | undefined

  private constructor(socket: net.Socket, head: string) {
    this.#socket = socket
    this.#head = head
    socket.setNoDelay(true)
    socket.on('data', (data) => this.#take(data))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  static async open(url: string, apiKey: string | undefined): Promise<HttpConnection> {
    const { hostname, port, host } = new URL(url)
    const socket = net.connect(Number(port || 80), hostname)
    await once(socket, 'connect')
    return new HttpConnection(socket, `Host: ${host}\r\n${apiKey ? `X-API-Key: ${apiKey}\r\n` : ''}`)
  }

  request(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    const payload = body === undefined ? '' : JSON.stringify(body)
    const type = payload && `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(payload)}\r\n`
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error('the connection was closed'))
      this.#waiting = { resolve, reject }
      this.#socket.write(`${method} ${path} HTTP/1.1\r\n${this.#head}${type}\r\n${payload}`)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data])
    const found = parseAnswer(this.#received)
    if (!found) return
    this.#received = this.#received.subarray(found.length)
    this.#waiting?.resolve(found.answer)
    this.#waiting = undefined
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }
}

/** The answer that `bytes` begins with and how long it is; undefined while it is not complete. */
export function parseAnswer(bytes: Buffer): { answer: HttpAnswer; length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = bytes.toString('latin1', 0, headEnd)
  const status = Number(head.slice(9, 12))
  const start = headEnd + 4
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return parseChunks(bytes, start, status)
  const length = status === 204 ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
  if (bytes.length < start + length) return undefined
  return { answer: { status, body: bytes.subarray(start, start + length) }, length: start + length }
}

function parseChunks(bytes: Buffer, start: number, status: number): { answer: HttpAnswer; length: number } | undefined {
  const chunks: Buffer[] = []
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { answer: { status, body: Buffer.concat(chunks) }, length: next }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = next
  }
}
