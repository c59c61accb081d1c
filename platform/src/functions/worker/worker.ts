import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Instance } from '../../engine/engine.ts'
import type { GuestProcess } from '../../engine/guest/process.ts'
import type { AskedAnswer, Call, Failure, Finished } from '../invocations/invocation.ts'
import { Deadlines } from './deadlines.ts'
import { FrameCutter, frame, headedFrame, jsonHead, kind } from './frames.ts'
import { LoadFailed } from './load-failed.ts'
import type { LoadHead } from './load-head.ts'
import { MemoryWatch } from './memory-watch.ts'
import { answerParts, readAsked, readFailure, readHead, readStep } from './payloads.ts'
import { ProcessorTime } from './processor-time.ts'
import { workerProgram } from './programs.ts'
import { Unread, windowBytes } from './unread.ts'
import { untilReady } from './until-ready.ts'
import { writeParts } from './write-parts.ts'

/** How long a fresh worker may take until it listens, milliseconds. A busy machine takes long. */
const startMs = 30_000
/** So long the reason of an end is waited for, milliseconds. */
const reasonMs = 1000
/** More answers than that wait until the worker has read them. */
const mostUnreadBytes = 4 * 1024 * 1024
/** What a worker may ask before it has heard of anything. */
const mostAsks = 256

interface WorkerStart {
  runtime: string
  /** Modules that it imports first. */
  preload: readonly string[]
  limits: { logBytes: number; resultBytes: number }
}

interface Running {
  call: Call
  log: string
  bytesOut: number
  /** Whether its answer has begun. */
  begun: boolean
  /** When it is late, by `performance.now()`. */
  until: number
  settle: (finished: Finished) => void
}

/** One process that runs the code of one function, in a sandbox of its own. Until `load` it is anybody's. */
export class Worker {
  readonly instance: Instance
  readonly time: ProcessorTime
  readonly #process: GuestProcess
  readonly #socket: Duplex
  readonly #mostLogBytes: number
  readonly #mostResultBytes: number
  readonly #running = new Map<number, Running>()
  readonly #deadlines = new Deadlines(this.#running, (id) => void this.#late(id))
  readonly #loading = Promise.withResolvers<Buffer>()
  #exitReason: Promise<Failure>
  #lastId = 0
  #asks = 0
  readonly #unread = new Unread({
    grant: (call, bytes) => this.#grant(call, bytes),
    onChange: () => this.#listen(),
  })
  readonly #runtime: string
  /** Whether its calls have only so much room for their answers. */
  #hasWindows = false
  #out: Buffer[] = []
  #flushes = false
  #ended: Failure | undefined
  #retired = false
  readonly #memory: MemoryWatch

  private constructor(
    instance: Instance,
    {
      runtime,
      process,
      socket,
      limits,
    }: Pick<WorkerStart, 'runtime' | 'limits'> & { process: GuestProcess; socket: Duplex },
  ) {
    this.instance = instance
    this.time = new ProcessorTime(instance)
    const onLost = () => this.#end(this.#outOfMemory())
    this.#memory = new MemoryWatch(instance, { isBusy: () => this.#running.size > 0, onLost })
    this.#runtime = runtime
    this.#process = process
    this.#socket = socket
    this.#mostLogBytes = limits.logBytes
    this.#mostResultBytes = limits.resultBytes
    this.#loading.promise.catch(() => {})
    this.#exitReason = this.#watch()
    const cutter = new FrameCutter((frameKind, id, payload) => this.#take(frameKind, id, payload))
    socket.on('data', (data: Buffer) => {
      try {
        cutter.push(data)
      } catch (error) {
        socket.destroy()
        this.#end({ reason: 'exited', message: `the worker broke the protocol: ${(error as Error).message}` })
      }
    })
    socket.on('error', () => {})
    // The worker's side has ended; ours would stay open by itself.
    socket.on('end', () => socket.destroy())
    socket.on('close', () => void this.#lost())
  }

  /** Starts the program of a runtime in a fresh sandbox. */
  static async start(instance: Instance, start: WorkerStart, signal: AbortSignal): Promise<Worker> {
    signal.throwIfAborted()
    const own = new AbortController()
    const timer = setTimeout(() => own.abort(new Error(`it did not listen within ${startMs} ms`)), startMs)
    const onAbort = () => own.abort(signal.reason)
    signal.addEventListener('abort', onAbort)
    try {
      return await Worker.#start(instance, start, own.signal)
    } finally {
      // The connections live as long as the worker, and a signal that aborts later would end them.
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  static async #start(instance: Instance, start: WorkerStart, signal: AbortSignal): Promise<Worker> {
    const { runtime, preload, limits } = start
    const argv = await workerProgram(runtime, preload)
    const { name, pipe } = await instance.guest.link(signal)
    try {
      const process = await instance.guest.exec({ argv, tag: 'warren.function', link: name }, signal)
      const output = process.output()
      await untilReady(output, runtime)
      const worker = new Worker(instance, { runtime, process, socket: pipe, limits })
      void worker.#readOutput(output)
      return worker
    } catch (error) {
      pipe.destroy()
      throw error
    }
  }

  /** Gives it its code. Calls may follow at once. */
  load(head: LoadHead, code: Buffer): void {
    // A call of Python that is alone does not listen: it waits where it writes, when nobody reads.
    this.#hasWindows = this.#runtime !== 'python3' || head.concurrency > 1
    this.#send(frame(kind.load, 0, jsonHead(head), code))
  }

  /** Resolves with the code cache that was asked for once the code is loaded. Rejects with a {@link LoadFailed}. */
  get loaded(): Promise<Buffer> {
    return this.#loading.promise
  }

  get usable(): boolean {
    return !this.#ended && !this.#retired && this.instance.alive
  }

  /** No further call is given to it. */
  retire(): void {
    this.#retired = true
  }

  get calls(): number {
    return this.#running.size
  }

  /** What the calls that run have written so far. */
  get logs(): { id: string; log: string }[] {
    return [...this.#running.values()].map(({ call, log }) => ({ id: call.requestId, log }))
  }

  /** Never rejects. */
  invoke(call: Call): Promise<Finished> {
    const id = ++this.#lastId
    return new Promise((settle) => {
      if (this.#ended) return settle({ outcome: { ok: false, failure: this.#ended }, log: '', bytesOut: 0 })
      const { requestId, http, traceparent, timeoutMs, attempt, suspendAfterMs } = call
      const running = { call, log: '', bytesOut: 0, begun: false, until: performance.now() + timeoutMs, settle }
      this.#running.set(id, running)
      this.#deadlines.add(running)
      this.#memory.watch()
      const head = {
        requestId,
        http,
        traceparent,
        timeoutMs,
        attempt,
        suspendAfterMs,
        mostBytes: this.#mostResultBytes,
        windowBytes: this.#hasWindows ? windowBytes : undefined,
      }
      this.#send([headedFrame(kind.invoke, id, head, call.payload)])
    })
  }

  /** The caller of a call has gone. */
  cancel(requestId: string): void {
    for (const [id, { call }] of this.#running) if (call.requestId === requestId) this.#send(frame(kind.cancel, id))
  }

  /** Says no more to it; its sandbox is the caller's to end. */
  close(): void {
    this.#end({ reason: 'unavailable', message: 'the instance was ended' })
    this.#socket.destroy()
    this.#process.detach()
  }

  #send(parts: Buffer[]): void {
    this.#out.push(...parts)
    if (this.#flushes) return
    this.#flushes = true
    // All that is sent in one turn of the loop goes in one write: what many callers send at once costs one.
    setImmediate(() => {
      this.#flushes = false
      const out = this.#out
      this.#out = []
      if (!this.#socket.destroyed) writeParts(this.#socket, out)
    })
  }

  #take(frameKind: number, id: number, payload: Buffer): void {
    if (frameKind === kind.loaded) this.#loading.resolve(Buffer.from(payload))
    else if (frameKind === kind.refused) this.#refused(readFailure(payload))
    const running = this.#running.get(id)
    if (!running) return
    if (frameKind === kind.result) this.#result(id, running, payload)
    else if (frameKind === kind.failed) this.#finish(id, readFailure(payload))
    else if (frameKind === kind.head) this.#begin(running, payload)
    else if (frameKind === kind.chunk) this.#piece(id, running, payload)
    else if (frameKind === kind.end) this.#last(id, running, payload)
    else if (frameKind === kind.log) this.#log(running, payload)
    else if (frameKind === kind.step) this.#answering(this.#step(running, payload))
    else if (frameKind === kind.call) this.#answering(this.#ask(running, payload))
    else if (frameKind === kind.suspend && running.call.suspendAfterMs !== undefined)
      this.#finish(id, undefined, undefined, true)
  }

  #refused(failure: Failure): void {
    this.#loading.reject(new LoadFailed(failure))
    this.#end(failure)
  }

  #result(id: number, running: Running, payload: Buffer): void {
    running.bytesOut = payload.length
    if (payload.length > this.#mostResultBytes) this.#tooLarge(id, payload)
    else this.#finish(id, undefined, Buffer.from(payload))
  }

  #tooLarge(id: number, { length }: Buffer): void {
    const message = `the result has ${length} bytes, over ${this.#mostResultBytes}`
    this.#finish(id, { reason: 'response_too_large', message })
  }

  #begin(running: Running, payload: Buffer): void {
    // A second one would be the answer to whoever asks next on the same connection.
    if (running.begun) throw new RangeError('an answer began twice')
    running.begun = true
    running.call.onHead?.(readHead(payload))
  }

  #piece(id: number, running: Running, payload: Buffer): void {
    if (!running.begun) throw new RangeError('an answer came before its head')
    running.bytesOut += payload.length
    const room = running.call.onChunk?.(Buffer.from(payload))
    this.#unread.wrote(id, payload.length, room)
  }

  /** With what is left of the answer, which may be all of it: nobody waits until that is read. */
  #last(id: number, running: Running, payload: Buffer): void {
    if (payload.length > this.#mostResultBytes) this.#tooLarge(id, payload)
    else if (payload.length > 0) this.#piece(id, running, payload)
    this.#finish(id)
  }

  #log(running: Running, payload: Buffer): void {
    const room = this.#mostLogBytes - running.log.length
    if (room <= 0) return
    running.log += payload.toString('utf8', 0, Math.min(payload.length, room)).replaceAll('\0', '')
    running.call.onLog?.(running.log)
  }

  async #step({ call }: Running, payload: Buffer): Promise<void> {
    const asked = readStep(payload)
    if (!asked) return
    const answer = (await call.step?.(asked).catch((error) => ({ error: (error as Error).message }))) ?? {
      found: false,
    }
    await this.#reply(frame(kind.stepped, asked.number, Buffer.from(JSON.stringify(answer))))
  }

  /** Resolves when the call is made. What it comes to is told later. */
  async #ask({ call }: Running, payload: Buffer): Promise<void> {
    const asked = readAsked(payload)
    if (!asked) return
    const { number, ...rest } = asked
    const answer = (given: AskedAnswer) => this.#reply(frame(kind.called, number, ...answerParts(given)))
    if (call.ask) await call.ask(rest, answer)
    else await answer({ failure: { reason: 'refused', message: 'this call cannot make others' } })
  }

  /** One who asks faster than it is answered, or does not read the answers, is not listened to meanwhile. */
  #answering(work: Promise<void>): void {
    this.#asks++
    this.#listen()
    void work
      // Whatever it is that a program sends: it ends its own connection, and nobody else's.
      .catch(() => this.#socket.destroy())
      .finally(() => {
        this.#asks--
        this.#listen()
      })
  }

  #grant(id: number, bytes: number): void {
    if (!this.#hasWindows) return
    const room = Buffer.alloc(4)
    room.writeUInt32BE(bytes)
    this.#send(frame(kind.room, id, room))
  }

  #listen(): void {
    const listens = this.#asks <= mostAsks && !this.#unread.isFull
    if (listens !== this.#socket.isPaused()) return
    if (listens) this.#socket.resume()
    else this.#socket.pause()
  }

  /** Resolves when there is room for more. */
  async #reply(parts: Buffer[]): Promise<void> {
    this.#send(parts)
    if (this.#socket.destroyed || this.#socket.writableLength < mostUnreadBytes) return
    await Promise.race([once(this.#socket, 'drain'), once(this.#socket, 'close')]).catch(() => {})
  }

  #finish(id: number, failure?: Failure, result?: Buffer, suspended = false): void {
    const running = this.#running.get(id)
    if (!running) return
    this.#running.delete(id)
    this.#unread.forget(id)
    // What has no room left for one call has none for the next.
    if (failure && /\b(ENOSPC|EAGAIN|EMFILE|ENOMEM|No space left|Resource temporarily)\b/.test(failure.message))
      this.#retired = true
    const { log, bytesOut } = running
    const outcome = failure ? { ok: false as const, failure } : { ok: true as const, result }
    running.settle({ outcome, log, bytesOut, ...(suspended ? { suspended } : {}) })
  }

  async #late(id: number): Promise<void> {
    const { call } = this.#running.get(id)!
    this.#retired = true
    if (await this.#memory.isLost()) return this.#end(this.#outOfMemory())
    this.#finish(id, {
      reason: 'timeout',
      message: `the call took longer than the ${call.timeoutMs / 1000} s it may take`,
    })
  }

  #outOfMemory(): Failure {
    const { memoryMb } = this.instance.limits
    return { reason: 'out_of_memory', message: `the function used more than its ${memoryMb} MiB of memory` }
  }

  /** The connection is gone: what ran fails with the reason of the process's end. */
  async #lost(): Promise<void> {
    this.#retired = true
    if (this.#ended) return
    const unknown: Failure = { reason: 'exited', message: 'the process of the function ended' }
    this.#end(await Promise.race([this.#exitReason, sleep(reasonMs, unknown, { ref: false })]))
  }

  #end(failure: Failure): void {
    if (this.#ended) return
    this.#ended = failure
    this.#deadlines.close()
    this.#loading.reject(new LoadFailed(failure))
    for (const id of [...this.#running.keys()]) this.#finish(id, failure)
  }

  async #watch(): Promise<Failure> {
    try {
      const { reason, exitCode, signal } = await this.#process.exit
      if (reason === 'out_of_memory') return this.#outOfMemory()
      const how = exitCode === null ? `was ended by signal ${signal}` : `exited with ${exitCode}`
      return { reason: 'exited', message: `the process of the function ${how}` }
    } catch {
      return { reason: 'exited', message: 'the sandbox of the function ended' }
    }
  }

  /** What is written past the program, by what the function starts, is the log of the only call that runs. */
  async #readOutput(output: AsyncGenerator<{ data: Buffer }>): Promise<void> {
    try {
      for await (const { data } of output) {
        const [only] = this.#running.values()
        if (only && this.#running.size === 1) this.#log(only, data)
      }
    } catch {
      // Told by the exit.
    }
  }
}
