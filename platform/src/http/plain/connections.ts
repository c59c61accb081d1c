import type { Socket } from 'node:net'
import { Departure, type GoneSignal } from '../../lib/gone-signal.ts'
import { PlainAnswer } from './answer.ts'
import { type PlainHead, readPlainHead } from './head.ts'

/** A request that is here in whole. */
export interface PlainRequest extends PlainHead {
  socket: Socket
  body: Buffer
}

/** Who answers plain requests. */
export interface PlainDoor {
  /** Whether a request with this head is one for it. It is asked once for requests whose heads are the same. */
  takes(head: PlainHead): boolean
  serve(request: PlainRequest, answer: PlainAnswer, gone: GoneSignal): void
}

interface Options {
  door: PlainDoor
  /** Whether no further request is to come on a connection. */
  isStopping: () => boolean
  /** A request that has begun must be there after so long, milliseconds. */
  patienceMs: number
  /** A connection without a request is kept for so long, milliseconds. */
  idleMs: number
}

const headEnd = Buffer.from('\r\n\r\n')
/** Longer heads, and longer requests, are not taken here. */
const mostHeadBytes = 4096
const mostBytes = 64 * 1024

/**
 * Connections whose requests were plain so far: each that is is read here, and given to a door. The first one that is not goes,
 * with its connection and for good, to the server that knows all of HTTP.
 */
export class PlainConnections {
  readonly #options: Options
  readonly #connections = new Set<PlainConnection>()

  constructor(options: Options) {
    this.#options = options
  }

  /** `hand` takes the connection on where it is not plain any more. What it has read stays to be read. */
  take(socket: Socket, hand: (socket: Socket) => void): void {
    const connection = new PlainConnection(socket, this.#options, (isThere) => {
      this.#connections.delete(connection)
      if (isThere) hand(socket)
    })
    this.#connections.add(connection)
  }

  /** Ends those that are still there. */
  close(): void {
    for (const connection of this.#connections) connection.close()
  }
}

class PlainConnection {
  readonly #socket: Socket
  readonly #options: Options
  readonly #leave: (isThere: boolean) => void
  readonly #listeners: Record<string, (data: Buffer) => void>
  /** What has come and is not read yet. */
  #held: Buffer | undefined
  #answering = false
  #late: NodeJS.Timeout | undefined
  /** Of the request that is being answered. */
  #departure: Departure | undefined
  /** The last head: whoever calls often sends the same one. */
  #text = ''
  #head: PlainHead | undefined

  constructor(socket: Socket, options: Options, leave: (isThere: boolean) => void) {
    this.#socket = socket
    this.#options = options
    this.#leave = leave
    this.#listeners = {
      data: (data) => this.#take(data),
      // As node's server has it: who says no more has gone, and does not wait for an answer either.
      end: () => socket.destroySoon(),
      error: () => socket.destroy(),
      timeout: () => this.#answering || socket.destroy(),
      close: () => this.#gone(),
    }
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener)
    socket.setTimeout(options.idleMs)
  }

  close(): void {
    this.#socket.destroySoon()
  }

  #take(data: Buffer): void {
    const bytes = this.#held === undefined ? data : Buffer.concat([this.#held, data])
    this.#held = undefined
    if (!this.#answering) return void this.#read(bytes)
    // One that sends on before it is answered is heard when it is.
    this.#held = bytes
    this.#socket.pause()
  }

  #read(bytes: Buffer): void {
    const end = bytes.indexOf(headEnd)
    if (end < 0 || end > mostHeadBytes) return void this.#handOn(bytes)
    const head = this.#headOf(bytes.toString('latin1', 0, end))
    if (!head) return void this.#handOn(bytes)
    const start = end + headEnd.length
    const total = start + head.bodyBytes
    if (total > mostBytes) return void this.#handOn(bytes)
    if (bytes.length < total) {
      this.#held = bytes
      this.#late ??= setTimeout(() => this.#handOn(this.#held!), this.#options.patienceMs)
      return
    }
    clearTimeout(this.#late)
    this.#late = undefined
    if (bytes.length > total) {
      this.#held = bytes.subarray(total)
      this.#socket.pause()
    }
    this.#answering = true
    const isLast = this.#options.isStopping()
    const answer = new PlainAnswer(this.#socket, { isLast, onEnd: (isTheLast) => this.#answered(isTheLast) })
    const { method, url, headers, bodyBytes } = head
    const request = { method, url, headers, bodyBytes, socket: this.#socket, body: bytes.subarray(start, total) }
    this.#departure = new Departure()
    this.#options.door.serve(request, answer, this.#departure)
  }

  #headOf(text: string): PlainHead | undefined {
    if (text === this.#text) return this.#head
    const head = readPlainHead(text)
    this.#text = text
    this.#head = head && this.#options.door.takes(head) ? head : undefined
    return this.#head
  }

  #answered(isLast: boolean): void {
    this.#answering = false
    this.#departure = undefined
    if (isLast) return void this.#socket.destroySoon()
    const bytes = this.#held
    if (bytes === undefined) return
    this.#held = undefined
    // Not from within the answer to the one before.
    setImmediate(() => {
      if (this.#socket.destroyed) return
      this.#socket.resume()
      this.#read(bytes)
    })
  }

  #gone(): void {
    clearTimeout(this.#late)
    this.#leave(false)
    this.#departure?.tell(new Error('the client went away'))
  }

  #handOn(bytes: Buffer): void {
    clearTimeout(this.#late)
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.off(event, listener)
    this.#socket.setTimeout(0)
    this.#held = undefined
    this.#socket.pause()
    this.#socket.unshift(bytes)
    this.#leave(true)
    this.#socket.resume()
  }
}
