import { type Bucket, type Limiter, type Taken, taken } from './limiter.ts'

/** Buckets that are remembered at once. One that is forgotten is full again. */
const mostBuckets = 50_000
const minuteMs = 60_000
/** How exact the order of last use is. To move one at each use costs more than the counting. */
const orderMs = 1_000

/** The limits of one process. */
export class MemoryLimiter implements Limiter {
  /** In the order of their last use, to a second. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number; movedAtMs: number }>()
  readonly #most: number

  constructor({ most = mostBuckets } = {}) {
    this.#most = most
  }

  async take(buckets: readonly Bucket[], cost = 1): Promise<Taken> {
    const nowMs = performance.now()
    const tokens: number[] = []
    let allowed = true
    for (const bucket of buckets) {
      const left = this.#tokens(bucket, nowMs)
      tokens.push(left)
      if (left < 1) allowed = false
    }
    if (allowed && cost > 0)
      for (let at = 0; at < tokens.length; at++) {
        tokens[at]! -= cost
        this.#keep(buckets[at]!.key, tokens[at]!, nowMs)
      }
    return taken(allowed, buckets, tokens)
  }

  async close(): Promise<void> {}

  #tokens({ key, perMinute }: Bucket, nowMs: number): number {
    const was = this.#buckets.get(key)
    return was ? Math.min(perMinute, was.tokens + ((nowMs - was.atMs) * perMinute) / minuteMs) : perMinute
  }

  #keep(key: string, tokens: number, atMs: number): void {
    const was = this.#buckets.get(key)
    if (was) {
      was.tokens = tokens
      was.atMs = atMs
      if (atMs - was.movedAtMs < orderMs) return
      was.movedAtMs = atMs
      this.#buckets.delete(key)
      this.#buckets.set(key, was)
      return
    }
    if (this.#buckets.size >= this.#most) this.#buckets.delete(this.#buckets.keys().next().value!)
    this.#buckets.set(key, { tokens, atMs, movedAtMs: atMs })
  }
}
