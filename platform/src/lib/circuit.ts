interface CircuitOptions {
  /** So many failures in a row open it. */
  failures?: number
  /** After so long one try shows whether it is as before, milliseconds. */
  openMs?: number
  nowMs?: () => number
}

/**
 * Spares callers the wait for somebody who does not answer, and them the calls: a node, the receiver of webhooks.
 *
 * closed -(several failures in a row)-> open -(its time is over: one try is let through)-> half open -(it succeeds)-> closed
 *                                        ^----------------------(it fails)-----------------'
 */
export class Circuit {
  readonly #most: number
  readonly #openMs: number
  readonly #nowMs: () => number
  #failures = 0
  #openUntilMs: number | undefined

  constructor({ failures = 3, openMs = 5_000, nowMs = () => performance.now() }: CircuitOptions = {}) {
    this.#most = failures
    this.#openMs = openMs
    this.#nowMs = nowMs
  }

  /** Whether a call may be tried now. Say afterwards what came of it: until then no other one is tried of a half open one. */
  allows(): boolean {
    if (this.#openUntilMs === undefined) return true
    if (this.#nowMs() < this.#openUntilMs) return false
    this.#openUntilMs = this.#nowMs() + this.#openMs
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#openUntilMs = undefined
  }

  failed(): void {
    this.#failures++
    if (this.#failures >= this.#most) this.#openUntilMs = this.#nowMs() + this.#openMs
  }

  /** Until it lets a call through, in whole seconds. */
  get retryAfterSeconds(): number {
    return Math.max(1, Math.ceil(((this.#openUntilMs ?? 0) - this.#nowMs()) / 1000))
  }

  /** Whether calls are kept away. */
  get isOpen(): boolean {
    return this.#openUntilMs !== undefined && this.#nowMs() < this.#openUntilMs
  }
}
