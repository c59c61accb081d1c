import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** As it is told to clients: a little less than what idle connections really have. */
const keepAlive = 'connection: keep-alive\r\nkeep-alive: timeout=72\r\n'
const last = 'connection: close\r\n'
const validName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const validValue = /^[\t\x20-\x7e\x80-\xff]*$/
const secondMs = 1000
const keys = new Map<string, string>()
const mostKeys = 200
const date = { second: 0, text: '' }

/** The answer to one request on a connection: what of node's `ServerResponse` answers of functions and problems need. */
export class PlainAnswer {
  readonly #socket: Socket
  readonly #onEnd: (isLast: boolean) => void
  /** Name, value, name, value …, the names in lower case. */
  readonly #headers: string[] = []
  statusCode = 200
  headersSent = false
  /** Whether the connection ends with it. */
  isLast: boolean
  #hasBody = true
  #isOver = false

  /** `onEnd` is told when all of it was handed to the connection. */
  constructor(socket: Socket, { isLast, onEnd }: { isLast: boolean; onEnd: (isLast: boolean) => void }) {
    this.#socket = socket
    this.isLast = isLast
    this.#onEnd = onEnd
  }

  get destroyed(): boolean {
    return this.#isOver || this.#socket.destroyed
  }

  setHeader(name: string, value: string | number): this {
    const key = keyOf(name)
    const text = typeof value === 'number' ? String(value) : checkedValue(name, value)
    const place = this.#place(key)
    if (place < 0) this.#headers.push(key, text)
    else this.#headers[place + 1] = text
    return this
  }

  /** A further line for a name that has one. */
  appendHeader(name: string, value: string): this {
    if (!validName.test(name)) throw none(name)
    this.#headers.push(name.toLowerCase(), checkedValue(name, value))
    return this
  }

  writeHead(status: number, headers: Record<string, string | number> = {}): this {
    this.statusCode = status
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value)
    return this
  }

  /** What follows goes in chunks. */
  flushHeaders(): void {
    this.#hasBody = this.statusCode !== 204 && this.statusCode !== 304
    if (this.#hasBody) this.setHeader('transfer-encoding', 'chunked')
    this.#socket.write(this.#head(), 'latin1')
  }

  /** False where what was written before is not read yet. */
  write(piece: Buffer): boolean {
    if (!this.#hasBody || piece.length === 0) return true
    this.#socket.cork()
    this.#socket.write(`${piece.length.toString(16)}\r\n`, 'latin1')
    this.#socket.write(piece)
    this.#socket.write('\r\n', 'latin1')
    this.#socket.uncork()
    return !this.#socket.writableNeedDrain
  }

  once(event: 'drain' | 'close', listener: () => void): void {
    this.#socket.once(event, listener)
  }

  off(event: 'drain' | 'close', listener: () => void): void {
    this.#socket.off(event, listener)
  }

  /** With the head where that has not gone yet: then its `content-length` is that of `body`. */
  end(body: string | Buffer = '', encoding: 'utf8' | 'latin1' = 'utf8'): void {
    if (this.destroyed) return
    this.#isOver = true
    if (this.headersSent) {
      if (this.#hasBody) this.#socket.write('0\r\n\r\n', 'latin1')
    } else if (typeof body === 'string') this.#socket.write(this.#head() + body, encoding)
    else {
      this.#socket.cork()
      this.#socket.write(this.#head(), 'latin1')
      this.#socket.write(body)
      this.#socket.uncork()
    }
    this.#onEnd(this.isLast)
  }

  /** Breaks off. */
  destroy(): void {
    this.#socket.destroy()
  }

  #place(name: string): number {
    const headers = this.#headers
    for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return at
    return -1
  }

  #head(): string {
    this.headersSent = true
    let text = `HTTP/1.1 ${this.statusCode} ${STATUS_CODES[this.statusCode] ?? 'Unknown'}\r\n`
    const headers = this.#headers
    for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`
    if (this.#place('date') < 0) text += `date: ${now()}\r\n`
    return `${text}${this.isLast ? last : keepAlive}\r\n`
  }
}

/** A name that we set ourselves is looked at once. */
function keyOf(name: string): string {
  const known = keys.get(name)
  if (known !== undefined) return known
  if (!validName.test(name)) throw none(name)
  const key = name.toLowerCase()
  if (keys.size < mostKeys) keys.set(name, key)
  return key
}

function checkedValue(name: string, value: string): string {
  if (!validValue.test(value)) throw none(name)
  return value
}

function none(name: string): TypeError {
  return new TypeError(`HTTP has no header "${name}" with that value`)
}

function now(): string {
  const ms = Date.now()
  const second = Math.floor(ms / secondMs)
  if (second !== date.second) Object.assign(date, { second, text: new Date(ms).toUTCString() })
  return date.text
}
