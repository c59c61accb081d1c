import net from 'node:net'
import { WarrenError } from '../../errors.ts'
import { orAborted } from '../../lib/or-aborted.ts'
import { beginPart } from '../../telemetry/spans.ts'
import {
  encodeFields,
  encodeFrame,
  encodeHead,
  Fields,
  type FieldValue,
  type Frame,
  FrameReader,
  kind,
} from './frames.ts'
import { guestError } from './guest-error.ts'

/** Frames waiting to be read above which the socket is paused, so that a chatty guest cannot fill our memory. */
const maxQueuedBytes = 1024 * 1024

/** From this size on a payload is handed to the kernel where it is, bytes. */
const uncopiedBytes = 4096

/** Largest answer of many frames that is collected, bytes. */
const maxAnswerBytes = 16 * 1024 * 1024

/** How long an agent may take for what should take no time, milliseconds. */
export const answerMs = 10_000

/** Where an agent is reached. Asked at each connection, for the place of one that has ended may be another's. */
export interface AgentAddress {
  readonly socketPath: string
  /** Set while it stands still: resolves when it can be reached again, or is gone. */
  readonly standsStill?: Promise<void> | undefined
}

/** One stream to the guest agent: a request, then frames both ways until either side closes. */
export class GuestConnection {
  readonly socket: net.Socket
  readonly #reader: FrameReader
  #queue: Frame[] = []
  #queuedBytes = 0
  #wake: (() => void) | undefined
  #ended = false
  #raw = false
  #failure: Error | undefined
  #late = false

  /** `rawAfter`: as that of `FrameReader`. */
  constructor(socket: net.Socket, rawAfter?: number) {
    this.socket = socket
    this.#reader = new FrameReader(rawAfter)
    socket.on('data', (chunk) => this.#receive(chunk as Buffer))
    socket.on('error', (error) => this.#finish(error))
    // Half-open is allowed for DIAL alone; for frames the guest's end of stream is the end.
    socket.on('end', () => this.#finish())
    socket.on('close', () => this.#finish())
  }

  /**
   * Connects, as soon as nothing stands still, and sends the request. What follows a frame of the kind `rawAfter` is left for
   * `takeRaw`. Rejects `unavailable` when no agent answers.
   */
  static async open(
    agent: AgentAddress,
    requestKind: number,
    fields: readonly (readonly [number, FieldValue])[],
    signal?: AbortSignal,
    rawAfter?: number,
  ): Promise<GuestConnection> {
    signal?.throwIfAborted()
    const { standsStill } = agent
    if (standsStill !== undefined) await orAborted(standsStill, signal)
    const ended = beginPart(() => ({ name: `guest.${nameOf(requestKind)}`, kind: 'client', attributes: {} }))
    const socket = await connect(agent.socketPath).catch((error: Error) => {
      ended?.({ failure: error.message })
      throw error
    })
    if (ended) socket.once('close', () => ended())
    const connection = new GuestConnection(socket, rawAfter)
    if (signal) {
      const abort = () => socket.destroy()
      signal.addEventListener('abort', abort, { once: true })
      socket.once('close', () => signal.removeEventListener('abort', abort))
    }
    await connection.send(requestKind, encodeFields(fields))
    return connection
  }

  /** Resolves when the frame is accepted by the kernel or buffered below the high-water mark. */
  send(frameKind: number, payload?: Buffer): Promise<void> {
    if (this.socket.destroyed) return Promise.reject(lost(this.#failure))
    if (this.#write(frameKind, payload)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => () => {
        this.socket.off('drain', onDrain)
        this.socket.off('close', onClose)
        done()
      }
      const onDrain = settle(resolve)
      const onClose = settle(() => reject(lost(this.#failure)))
      this.socket.once('drain', onDrain)
      this.socket.once('close', onClose)
    })
  }

  /** True while the kernel takes more. A large payload is not copied. */
  #write(frameKind: number, payload?: Buffer): boolean {
    if (payload === undefined || payload.length < uncopiedBytes)
      return this.socket.write(encodeFrame(frameKind, payload))
    this.socket.cork()
    this.socket.write(encodeHead(frameKind, payload.length))
    const isTaken = this.socket.write(payload)
    this.socket.uncork()
    return isTaken
  }

  /**
   * The next frame, or undefined when the guest has closed. An ERROR frame rejects as a WarrenError. When none comes
   * within `deadlineMs` the connection is broken off: `unavailable`.
   */
  async next(deadlineMs?: number): Promise<Frame | undefined> {
    if (deadlineMs === undefined || this.#queue.length > 0) return this.#next()
    const timer = setTimeout(() => {
      this.#late = true
      this.socket.destroy()
    }, deadlineMs)
    try {
      return await this.#next()
    } finally {
      clearTimeout(timer)
    }
  }

  async #next(): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#queue.shift()
      if (frame) {
        this.#queuedBytes -= frame.payload.length
        if (this.#queuedBytes < maxQueuedBytes && this.socket.isPaused() && !this.#raw) this.socket.resume()
        if (frame.kind === kind.error) throw guestError(new Fields(frame.payload))
        return frame
      }
      if (this.#ended) {
        if (this.#late)
          throw new WarrenError('unavailable', 'the sandbox does not answer: its guest agent says nothing', {
            hint: 'It may have been starved or stopped from inside. Delete it, or wait.',
          })
        if (this.#failure) throw lost(this.#failure)
        return undefined
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /**
   * The next frame, which must be of this kind and come in time. Rejects `unavailable` when the guest closed instead, `conflict`
   * when the process it is about has ended.
   */
  async expect(frameKind: number, deadlineMs: number | 'never' = answerMs): Promise<Fields> {
    const frame = await this.next(deadlineMs === 'never' ? undefined : deadlineMs)
    if (!frame) throw lost(this.#failure)
    if (frame.kind !== frameKind) {
      this.close()
      if (frame.kind === kind.exit)
        throw new WarrenError('conflict', 'the process has ended', {
          hint: 'Its output and exit code can still be read. Start another one.',
          details: { reason: 'ended' },
        })
      throw new WarrenError('unavailable', `guest agent answered frame 0x${frame.kind.toString(16)} out of turn`)
    }
    return new Fields(frame.payload)
  }

  /** The frames of an answer of many, each in time, up to its END and to so many bytes that they fit our memory. */
  async *answers(deadlineMs?: number): AsyncGenerator<Frame> {
    let bytes = 0
    for (;;) {
      const frame = await this.next(deadlineMs)
      if (!frame) throw new WarrenError('unavailable', 'the sandbox ended before its answer was complete')
      if (frame.kind === kind.end) return
      bytes += frame.payload.length
      if (deadlineMs !== undefined && bytes > maxAnswerBytes)
        throw new WarrenError('too_large', `the answer of the sandbox is larger than ${maxAnswerBytes} bytes`)
      yield frame
    }
  }

  /** After DIAL's OK: gives the socket back as a raw byte pipe. */
  takeRaw(): net.Socket {
    this.#raw = true
    // Stops the flow without pause(), which only an explicit resume() would undo: whoever gets the socket must be able
    // to start it by listening, as on a fresh one. Taking the listener away alone lets what comes until then be lost.
    this.socket.removeAllListeners('data')
    Object.assign(this.socket, { readableFlowing: null })
    const rest = this.#reader.rest()
    if (rest.length > 0) this.socket.unshift(rest)
    return this.socket
  }

  close(): void {
    this.socket.destroy()
  }

  #receive(chunk: Buffer): void {
    let frames: Frame[]
    try {
      frames = this.#reader.push(chunk)
    } catch (error) {
      this.#failure = error as Error
      this.socket.destroy()
      return
    }
    for (const frame of frames) {
      this.#queue.push(frame)
      this.#queuedBytes += frame.payload.length
    }
    if (this.#queuedBytes >= maxQueuedBytes) this.socket.pause()
    this.#notify()
  }

  #finish(error?: Error): void {
    this.#failure ??= error
    this.#ended = true
    this.#notify()
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

function nameOf(requestKind: number): string {
  return Object.entries(kind).find(([, number]) => number === requestKind)?.[0] ?? 'unknown'
}

function connect(path: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path, allowHalfOpen: true })
    socket.once('connect', () => {
      socket.off('error', onError)
      resolve(socket)
    })
    const onError = (cause: Error) =>
      reject(new WarrenError('unavailable', 'the sandbox does not answer: its guest agent is not reachable', { cause }))
    socket.once('error', onError)
  })
}

function lost(cause: Error | undefined): WarrenError {
  return new WarrenError('unavailable', 'the connection to the sandbox was lost', cause ? { cause } : {})
}
