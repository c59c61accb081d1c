import type { Level } from './limiter.ts'

/** A limit that a request was counted by, as a refusal tells it to programs. */
export interface Rate {
  /** Of all limits that it was counted by: `<requests>;w=<seconds>`. */
  policy: string
  /** The tightest of them. */
  limit: number
  remaining: number
  resetSeconds: number
}

export function rateOf(levels: readonly Level[]): Rate {
  const tightest = levels.reduce((least, level) => (level.remaining < least.remaining ? level : least))
  return {
    policy: policyOf(levels),
    limit: tightest.perMinute,
    remaining: tightest.remaining,
    resetSeconds: tightest.resetSeconds,
  }
}

/** The last one: it changes with the limits of whoever asks, and nearly all who ask have the same. */
let last = { levels: [] as readonly Level[], text: '' }

function policyOf(levels: readonly Level[]): string {
  const isSame = ({ perMinute }: Level, at: number) => last.levels[at]?.perMinute === perMinute
  if (levels.length !== last.levels.length || !levels.every(isSame))
    last = { levels, text: levels.map(({ perMinute }) => `${perMinute};w=60`).join(', ') }
  return last.text
}

/** As draft-ietf-httpapi-ratelimit-headers has it. */
export function rateHeaders({ policy, limit, remaining, resetSeconds }: Rate): [string, string][] {
  return [
    ['ratelimit-policy', policy],
    ['ratelimit-limit', String(limit)],
    ['ratelimit-remaining', String(remaining)],
    ['ratelimit-reset', String(resetSeconds)],
  ]
}
