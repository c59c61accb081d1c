import { ToolError } from '../tools/tool.ts'

/** What a server may cause by itself, between one call of ours and the next. */
export const usualAllowance = {
  requests: 1000,
  reconnections: 1000,
  /** A stream that a server ends early is taken up again no sooner and no later, whatever the server says. */
  shortestReconnectMs: 500,
  longestReconnectMs: 60_000,
}
export type Limits = typeof usualAllowance

type Named = 'requests' | 'reconnections'

/** Counts what the platform does because a server says so. A server that has used it up is done with. */
export class Allowance {
  readonly #limits: Limits
  readonly #onUsedUp: (fault: ToolError) => void
  readonly #timers = new Set<NodeJS.Timeout>()
  #used = { requests: 0, reconnections: 0 }
  #isOver = false

  constructor(limits: Limits, onUsedUp: (fault: ToolError) => void) {
    this.#limits = limits
    this.#onUsedUp = onUsedUp
  }

  /** A call begins. */
  renew(): void {
    this.#used = { requests: 0, reconnections: 0 }
  }

  /** Whether there was some left. */
  take(what: Named): boolean {
    if (this.#isOver) return false
    if (++this.#used[what] <= this.#limits[what]) return true
    this.end()
    const text = `it causes more than ${this.#limits[what]} ${what} by itself`
    this.#onUsedUp(new ToolError('mcp_server_gone', text, { transient: true }))
    return false
  }

  /** For the client of the protocol, which counts failures alone and knows the last of its timers alone. */
  reconnect(connect: () => void, askedMs: number): void {
    if (!this.take('reconnections')) return
    const { shortestReconnectMs, longestReconnectMs } = this.#limits
    const ms = Math.min(Math.max(askedMs, shortestReconnectMs), longestReconnectMs)
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      connect()
    }, ms)
    this.#timers.add(timer)
  }

  /** Nothing is begun any more. */
  end(): void {
    this.#isOver = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}
