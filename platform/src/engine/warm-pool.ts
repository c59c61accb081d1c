import type { Instance } from './instance.ts'

interface WarmPoolDeps {
  /** How many to keep ready, at the moment. */
  size: () => number
  /** Starts one more member. */
  start: (signal: AbortSignal) => Promise<Instance>
  discard: (instance: Instance) => Promise<void>
  /** Told of every failed start, so that an operator sees why the pool stays empty. */
  onFailure: (error: unknown) => void
}

/** A member must answer within this to be given out, milliseconds. */
const pingDeadlineMs = 500
/** Refilling waits until claims pause for this long, so that it does not slow the work they are for; milliseconds. */
const refillMs = { pause: 30, longest: 300 }
/** Pause after a failed start; doubles up to the longest. */
const retryMs = { shortest: 500, longest: 30_000 }

/** Ready sandboxes of one kind, refilled in the background. Only members that answer are given out. */
export class WarmPool {
  readonly #deps: WarmPoolDeps
  readonly #ready: Instance[] = []
  readonly #closing = new AbortController()
  readonly #starting = new Set<Promise<void>>()
  #retryMs = retryMs.shortest
  #retryTimer: NodeJS.Timeout | undefined
  #refillTimer: NodeJS.Timeout | undefined
  #refillBy = 0

  constructor(deps: WarmPoolDeps) {
    this.#deps = deps
  }

  get ready(): number {
    return this.#ready.length
  }

  /**
   * Takes a healthy member of this driver out, or undefined at once when there is none. `mark` records whose it is, while
   * it is asked for a sign of life: each takes about as long. What `mark` rejects with is thrown, and the member is removed.
   */
  async claim(driver: string, mark: (member: Instance) => Promise<void>): Promise<Instance | undefined> {
    for (;;) {
      const place = this.#ready.findIndex((member) => member.driver.name === driver)
      const instance = this.#ready.splice(place, place < 0 ? 0 : 1)[0]
      this.#fillSoon()
      if (!instance) return undefined
      if (instance.alive && (await this.#isMarked(instance, mark))) return instance
      void this.#deps.discard(instance).catch(this.#deps.onFailure)
    }
  }

  async #isMarked(instance: Instance, mark: (member: Instance) => Promise<void>): Promise<boolean> {
    const answers = instance.answers(pingDeadlineMs)
    try {
      await mark(instance)
    } catch (error) {
      // Of one that has died meanwhile this says nothing: the next is taken.
      if (!(await answers)) return false
      await this.#deps.discard(instance)
      throw error
    }
    return answers
  }

  /** Takes in a member that an earlier process had made ready. */
  add(instance: Instance): void {
    this.#ready.push(instance)
    instance.onExit(() => {
      const place = this.#ready.indexOf(instance)
      if (place < 0) return
      this.#ready.splice(place, 1)
      void this.#deps.discard(instance).catch(this.#deps.onFailure)
      this.fill()
    })
  }

  /** Takes back a member that was given out and is as it was, where its place is free still. */
  giveBack(instance: Instance): void {
    const hasRoom = this.#ready.length + this.#starting.size < this.#deps.size()
    if (hasRoom && instance.alive && !this.#closing.signal.aborted) this.#ready.push(instance)
    else void this.#deps.discard(instance).catch(this.#deps.onFailure)
  }

  /** Starts what is missing, in the background. */
  fill(): void {
    while (
      this.#ready.length + this.#starting.size < this.#deps.size() &&
      !this.#closing.signal.aborted &&
      !this.#retryTimer
    ) {
      const starting = this.#startOne().finally(() => {
        this.#starting.delete(starting)
        this.fill()
      })
      this.#starting.add(starting)
    }
  }

  /** Removes those that are more than are to be kept. */
  trim(): void {
    while (this.#ready.length > this.#deps.size())
      void this.#deps.discard(this.#ready.shift()!).catch(this.#deps.onFailure)
  }

  /** Removes the members of every other driver: a stronger one has become healthy. */
  keepOnly(driver: string): void {
    const others = this.#ready.filter((member) => member.driver.name !== driver)
    for (const member of others) {
      this.#ready.splice(this.#ready.indexOf(member), 1)
      void this.#deps.discard(member).catch(this.#deps.onFailure)
    }
  }

  /** Stops refilling and removes the members, which belong to nobody. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the platform is stopping'))
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#refillTimer)
    await Promise.all(this.#starting)
    await Promise.all(this.#ready.splice(0).map((instance) => this.#deps.discard(instance)))
  }

  #fillSoon(): void {
    if (this.#closing.signal.aborted) return
    const now = Date.now()
    if (!this.#refillTimer) this.#refillBy = now + refillMs.longest
    clearTimeout(this.#refillTimer)
    const pauseMs = Math.min(refillMs.pause, Math.max(this.#refillBy - now, 0))
    this.#refillTimer = setTimeout(() => {
      this.#refillTimer = undefined
      this.fill()
    }, pauseMs).unref()
  }

  async #startOne(): Promise<void> {
    try {
      this.add(await this.#deps.start(this.#closing.signal))
      this.#retryMs = retryMs.shortest
    } catch (error) {
      this.#retryLater(error)
    }
  }

  /** Of members that fail together the first one speaks for all. */
  #retryLater(error: unknown): void {
    if (this.#closing.signal.aborted || this.#retryTimer) return
    this.#deps.onFailure(error)
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined
      this.fill()
    }, this.#retryMs).unref()
    this.#retryMs = Math.min(this.#retryMs * 2, retryMs.longest)
  }
}
