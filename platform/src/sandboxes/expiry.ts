import type { Logger } from '../telemetry/logger.ts'

/** A sweep happens at least this often, whatever the timers say: clocks jump, and a failed step is taken up again. */
const longestSleepMs = 60_000
const retryMs = 1_000

export interface ExpiryDeps {
  now: () => Date
  logger: Logger
  /**
   * Begins to end what is due and settles what was left half done; answers when the next one is due. With `everything`
   * it looks at every record, which costs with their number.
   */
  sweep: (everything: boolean) => Promise<Date | undefined>
}

/** Stops sandboxes when their time is over: one timer, for the nearest. The times live in the store alone. */
export class Expiry {
  readonly #deps: ExpiryDeps
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  #sweeping: Promise<void> | undefined
  #closed = false
  #sweptEverythingAt = Number.NEGATIVE_INFINITY

  constructor(deps: ExpiryDeps) {
    this.#deps = deps
  }

  /** Sweeps now and keeps sweeping. */
  async start(): Promise<void> {
    await this.#sweep()
  }

  /** A sandbox now ends at `at`: wakes for it if that is sooner than the next sweep. */
  consider(at: Date): void {
    if (at.getTime() < this.#wakesAt) this.#wakeIn(at.getTime() - this.#deps.now().getTime())
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#sweeping
  }

  #wakeIn(ms: number): void {
    if (this.#closed) return
    const delayMs = Math.min(Math.max(ms, 1), longestSleepMs)
    clearTimeout(this.#timer)
    this.#wakesAt = this.#deps.now().getTime() + delayMs
    this.#timer = setTimeout(() => void this.#sweep(), delayMs).unref()
  }

  #sweep(): Promise<void> {
    this.#sweeping ??= this.#sweepOnce().finally(() => {
      this.#sweeping = undefined
    })
    return this.#sweeping
  }

  async #sweepOnce(): Promise<void> {
    this.#wakesAt = Number.POSITIVE_INFINITY
    try {
      const now = this.#deps.now().getTime()
      const everything = Math.abs(now - this.#sweptEverythingAt) >= longestSleepMs
      const next = await this.#deps.sweep(everything)
      if (everything) this.#sweptEverythingAt = now
      // While it swept, consider() may have been told of a sooner one, whose timer may even have fired already.
      const wakeAt = Math.min(next?.getTime() ?? Number.POSITIVE_INFINITY, this.#wakesAt)
      this.#wakeIn(wakeAt - this.#deps.now().getTime())
    } catch (error) {
      this.#deps.logger.error({ err: error }, 'sweep of expired sandboxes failed; it is tried again')
      this.#wakeIn(retryMs)
    }
  }
}
