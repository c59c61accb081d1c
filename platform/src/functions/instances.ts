import { WarrenError } from '../errors.ts'
import type { GoneSignal } from '../lib/gone-signal.ts'
import { Pending } from '../lib/pending.ts'
import { lacksRoom } from '../lib/quota-exceeded.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { CompleteSettings } from './function.ts'
import { Thermostat } from './worker/thermostat.ts'
import type { Worker } from './worker/worker.ts'

export interface InstancesDeps {
  /** Starts one more, its code on the way to it. What is needed takes the room of what is idle elsewhere; what is foreseen does not. */
  start: (signal: AbortSignal, isNeeded: boolean) => Promise<{ worker: Worker; ready: boolean }>
  end: (worker: Worker) => void
  /** Whether the platform has room for one more; it may have made some. */
  makeRoom: () => boolean
  /** Told how long a start took until the code was loaded, milliseconds. */
  onStarted: (ms: number) => void
  logger: Logger
}

/** Calls that may wait for an instance of one version. */
const mostWaiting = 10_000
/** Where its organisation may not have another instance it is asked for again after so long, milliseconds. */
const roomAgainMs = 1000

interface Waiting {
  resolve: (member: Member) => void
  reject: (error: Error) => void
  signal: GoneSignal | undefined
}

/** One instance of a version: its worker, and whether it is frozen. */
export class Member {
  readonly worker: Worker
  readonly thermostat: Thermostat
  calls = 0
  /** When its last call ended. */
  idleSince = 0
  /** Whether its code is loaded; until then it is not frozen. */
  isLoaded = false
  /** Whether a call waited for it to start: its first one, which is a cold start. */
  readonly isCold: boolean
  taken = 0

  constructor(worker: Worker, isCold: boolean) {
    this.worker = worker
    this.isCold = isCold
    this.thermostat = new Thermostat(worker.instance)
    worker.loaded.then(
      () => {
        this.isLoaded = true
        this.idleSince = Math.max(this.idleSince, performance.now())
      },
      () => {},
    )
  }
}

/** The instances of one version: as many as its calls need, within its limits. */
export class Instances {
  readonly #deps: InstancesDeps
  readonly #settings: Pick<CompleteSettings, 'concurrency' | 'maxInstances' | 'timeoutSeconds'>
  readonly members: Member[] = []
  readonly #waiting: Waiting[] = []
  readonly #closing = new AbortController()
  readonly #starts = new Pending()
  /** Starts whose instance is not among the members yet. */
  #starting = 0
  #least = 0
  #foreseen: number | undefined
  #retired = false
  /** When another instance was refused because its organisation may not have more. */
  #refusedAt = Number.NEGATIVE_INFINITY

  constructor(
    deps: InstancesDeps,
    settings: Pick<CompleteSettings, 'concurrency' | 'maxInstances' | 'timeoutSeconds'>,
  ) {
    this.#deps = deps
    this.#settings = settings
  }

  get size(): number {
    return this.members.length + this.#starting
  }

  /** Whether there is none, and was none to be had a moment ago. */
  get isWithoutRoom(): boolean {
    return this.size === 0 && performance.now() - this.#refusedAt < roomAgainMs
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * An instance with room for one call, which is counted. Throws `limit_exceeded` where that is not to be expected: where its
   * organisation may not have more, a call waits for the instances that are there, and is refused if there are none. Who has
   * gone meanwhile waits no longer, and gets none.
   */
  async acquire(signal?: GoneSignal): Promise<Member> {
    if (signal?.aborted) throw gone(signal)
    this.#retired = false
    const member = this.#free()
    if (member) return this.#give(member, signal)
    this.look()
    const { maxInstances } = this.#settings
    if (maxInstances === 0)
      throw new WarrenError('limit_exceeded', 'the function is stopped: maxInstances is 0', { details: { limit: 0 } })
    if (this.#waiting.length >= mostWaiting)
      throw new WarrenError('limit_exceeded', `${mostWaiting} calls of this function wait already`, {
        hint: 'Raise maxInstances or concurrency of the function, or call it asynchronously.',
        details: { limit: mostWaiting, maxInstances },
      })
    const { promise, resolve, reject } = Promise.withResolvers<Member>()
    const waiting = { resolve, reject, signal }
    const onGone = () => {
      const place = this.#waiting.indexOf(waiting)
      // One that is being given an instance hears of it there, and gives it back.
      if (place < 0) return
      this.#waiting.splice(place, 1)
      reject(gone(signal!))
    }
    signal?.addEventListener('abort', onGone, { once: true })
    this.#waiting.push(waiting)
    this.#grow()
    return promise.finally(() => signal?.removeEventListener('abort', onGone))
  }

  /** The call is over. */
  release(member: Member): void {
    member.calls--
    member.idleSince = performance.now()
    // Others that one which is not usable still answers may come to their end.
    if (!member.worker.usable && member.calls === 0) this.#remove(member)
    this.#serve()
    this.#letGo(member)
  }

  /** Whether forecasts say how many there are while nobody calls, and not the time since the last call. */
  get isForeseen(): boolean {
    return this.#foreseen !== undefined
  }

  /** So many are kept whatever happens. */
  get least(): number {
    return this.#least
  }

  /**
   * Has at least so many from now on, as far as there is room: `least` in any case, `foreseen` until others need the room.
   * Resolves when those that were missing have started or failed to.
   */
  async keep({ least, foreseen }: { least: number; foreseen: number | undefined }): Promise<void> {
    this.#least = least
    this.#foreseen = foreseen
    const count = Math.min(Math.max(least, foreseen ?? 0), this.#settings.maxInstances)
    if (count > 0) this.#retired = false
    const starts: Promise<void>[] = []
    while (this.size < count && !this.#closing.signal.aborted && this.#deps.makeRoom()) starts.push(this.#begin())
    await Promise.all(starts)
  }

  /** Removes those that have no call and are more than is foreseen. */
  trim(): void {
    if (this.#foreseen !== undefined) while (this.members.length > this.#foreseen && this.dropIdle());
  }

  /** Ends those that are there, and that are just starting, once they have no call; until there is one again. */
  retire(): void {
    this.#least = 0
    this.#foreseen = undefined
    this.#retired = true
    while (this.dropIdle());
  }

  /** Removes an instance that has no call and need not be kept; the one idle for longest. Undefined where there is none. */
  dropIdle(longerThanMs = 0): Member | undefined {
    if (this.members.length <= this.#least) return undefined
    const now = performance.now()
    const idle = this.members.filter(({ calls, idleSince }) => calls === 0 && now - idleSince >= longerThanMs)
    const [oldest] = idle.sort((a, b) => a.idleSince - b.idleSince)
    if (oldest) this.#remove(oldest)
    return oldest
  }

  /** Removes what has died by itself, and looks again for room for those that wait. */
  look(): void {
    for (const member of this.members.filter(({ calls, worker }) => calls === 0 && !worker.usable)) this.#remove(member)
    if (this.#waiting.length > 0) this.#serve()
  }

  /** Resolves when nothing starts any more. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the function is removed or the platform stops'))
    for (const { reject } of this.#waiting.splice(0))
      reject(new WarrenError('unavailable', 'the function is being removed'))
    for (const member of [...this.members]) this.#remove(member)
    await this.#starts.over()
  }

  /** The one used last, which is the likeliest to be warm. */
  #free(): Member | undefined {
    let found: Member | undefined
    for (const member of this.members) {
      if (member.calls >= this.#settings.concurrency || !member.worker.usable) continue
      if (!found || (found.thermostat.isCold && !member.thermostat.isCold) || member.idleSince > found.idleSince)
        found = member
    }
    return found
  }

  async #give(member: Member, signal: GoneSignal | undefined): Promise<Member> {
    member.calls++
    if (member.thermostat.isCold) {
      try {
        await member.thermostat.thaw()
      } catch (error) {
        this.#deps.logger.warn({ err: error }, 'an instance of a function could not be thawed')
        member.calls--
        this.#remove(member)
        return this.acquire(signal)
      }
    }
    if (signal?.aborted) {
      this.release(member)
      throw gone(signal)
    }
    member.taken++
    return member
  }

  #grow(): void {
    const { concurrency, maxInstances } = this.#settings
    if (this.size > 0 && performance.now() - this.#refusedAt < roomAgainMs) return
    while (
      this.#waiting.length > this.#starting * concurrency &&
      this.size < maxInstances &&
      !this.#closing.signal.aborted
    ) {
      if (!this.#deps.makeRoom()) return
      void this.#begin()
    }
  }

  #begin(): Promise<void> {
    this.#starting++
    return this.#starts.add(this.#start())
  }

  async #start(): Promise<void> {
    const began = performance.now()
    const isNeeded = this.#waiting.length > 0 || this.size <= this.#least
    let started: Member | undefined
    try {
      const { worker } = await this.#deps.start(this.#closing.signal, isNeeded)
      this.#starting--
      if (this.#closing.signal.aborted) return this.#deps.end(worker)
      worker.loaded.then(
        () => this.#deps.onStarted(performance.now() - began),
        () => {},
      )
      const member = new Member(worker, this.#waiting.length > 0)
      member.idleSince = performance.now()
      this.members.push(member)
      started = member
    } catch (error) {
      this.#starting--
      if (lacksRoom(error)) return this.#refuse(error)
      // Whoever waits longest learns of it; the others may get an instance that runs.
      this.#waiting.shift()?.reject(error as Error)
    }
    this.#serve()
    if (started) this.#letGo(started)
  }

  /** Those that wait come first: one that was let go of would be started again for them. */
  #letGo(member: Member): void {
    if (this.#retired && member.calls === 0) this.#remove(member)
  }

  #refuse(error: WarrenError): void {
    this.#refusedAt = performance.now()
    if (this.size > 0) this.#serve()
    else for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const member = this.#free()
      if (!member) break
      const { resolve, reject, signal } = this.#waiting.shift()!
      void this.#give(member, signal).then(resolve, reject)
    }
    this.#grow()
  }

  #remove(member: Member): void {
    const place = this.members.indexOf(member)
    if (place < 0) return
    this.members.splice(place, 1)
    this.#deps.end(member.worker)
  }
}

function gone({ reason }: GoneSignal): WarrenError {
  return new WarrenError('unavailable', 'the caller has gone before there was an instance for the call', {
    cause: reason,
  })
}
