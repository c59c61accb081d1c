/** How many requests somebody may send: so many at once, and as many again over a minute. */
export interface Bucket {
  key: string
  perMinute: number
}

/** What is left in a bucket. */
export interface Level {
  perMinute: number
  /** Whole requests that may be sent right now. */
  remaining: number
  /** Until the bucket is full again. */
  resetSeconds: number
}

export interface Taken {
  allowed: boolean
  /** One for each bucket, in their order. */
  levels: Level[]
  /** When the request could be sent again: 0 if it is allowed, else at least 1. */
  retryAfterSeconds: number
}

/** Counts requests against token buckets. Never rejects: limits that cannot be asked stop nobody. */
export interface Limiter {
  /**
   * Takes `cost` tokens from every bucket if each of them has one, else from none. A cost of 0 only looks. It is one step: of
   * any number of callers at once, no more are allowed than there are tokens.
   */
  take(buckets: readonly Bucket[], cost?: number): Promise<Taken>
  close(): Promise<void>
}

/** What the tokens that are in the buckets after a request mean for who sent it. */
export function taken(allowed: boolean, buckets: readonly Bucket[], tokens: readonly number[]): Taken {
  let retryAfterSeconds = 0
  const levels = buckets.map(({ perMinute }, at) => {
    const left = tokens[at]!
    const perSecond = perMinute / 60
    if (!allowed && left < 1) retryAfterSeconds = Math.max(retryAfterSeconds, 1, Math.ceil((1 - left) / perSecond))
    return {
      perMinute,
      remaining: Math.max(0, Math.floor(left)),
      resetSeconds: Math.max(0, Math.ceil((perMinute - left) / perSecond)),
    }
  })
  return { allowed, levels, retryAfterSeconds }
}
