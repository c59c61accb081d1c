import type { Instance } from './instance.ts'

interface WarmPoolDeps {
  size: number
  /** Starts one more member. */
  start: (signal: AbortSignal) => Promise<Instance>
  discard: (instance: Instance) => Promise<void>
  /** Told of every failed start, so that an operator sees why the pool stays empty. */
  onFailure: (error: unknown) => void
}

/** A member must answer within this to be given out, milliseconds. */
const pingDeadlineMs = 500
/** Pause after a failed start; doubles up to the longest. */
const retryMs = { shortest: 500, longest: 30_000 }

/** Ready sandboxes of one kind, refilled in the background. Only members that answer are given out. */
export class WarmPool {
  readonly #deps: WarmPoolDeps
  readonly #ready: Instance[] = []
  readonly #closing = new AbortController()
  #starting = 0
  #retryMs = retryMs.shortest
  #retryTimer: NodeJS.Timeout | undefined

  constructor(deps: WarmPoolDeps) {
    this.#deps = deps
  }

  get ready(): number {
    return this.#ready.length
  }

  /** Takes a healthy member out, or undefined at once when there is none. */
  async claim(): Promise<Instance | undefined> {
    for (;;) {
      const instance = this.#ready.shift()
      if (!instance) {
        this.fill()
        return undefined
      }
      const healthy = instance.alive && (await answers(instance))
      this.fill()
      if (healthy) return instance
      void this.#deps.discard(instance).catch(this.#deps.onFailure)
    }
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

  /** Starts what is missing, in the background. */
  fill(): void {
    while (
      this.#ready.length + this.#starting < this.#deps.size &&
      !this.#closing.signal.aborted &&
      !this.#retryTimer
    ) {
      this.#starting++
      void this.#startOne()
    }
  }

  /** Stops refilling. Members stay: the next process takes them up. */
  close(): void {
    this.#closing.abort(new Error('the platform is stopping'))
    clearTimeout(this.#retryTimer)
  }

  async #startOne(): Promise<void> {
    try {
      this.add(await this.#deps.start(this.#closing.signal))
      this.#retryMs = retryMs.shortest
    } catch (error) {
      this.#retryLater(error)
    } finally {
      this.#starting--
    }
    this.fill()
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

async function answers(instance: Instance): Promise<boolean> {
  return instance.guest.ping(AbortSignal.timeout(pingDeadlineMs)).then(
    () => true,
    () => false,
  )
}
