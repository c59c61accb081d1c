import { WarrenError } from '../errors.ts'

interface Options {
  /** Attempts that may fail one after the other. */
  most: number
  /** After so long one more is granted, milliseconds. */
  everyMs: number
  /** Names that are remembered at once; the one not heard of for longest goes first. */
  remembered?: number
  now: () => Date
}

/** Slows down who guesses: counts attempts by name. They count until they turn out well, so that many at once count too. */
export class Attempts {
  readonly #options: Required<Options>
  readonly #spent = new Map<string, { count: number; at: number }>()

  constructor(options: Options) {
    this.#options = { remembered: 10_000, ...options }
  }

  /** Throws `limit_exceeded` where there were too many. Answers with what takes the attempt back, for one that was right. */
  take(name: string): () => void {
    const { most, everyMs, remembered, now } = this.#options
    const at = now().getTime()
    const before = this.#spent.get(name) ?? { count: 0, at }
    const count = Math.max(0, before.count - (at - before.at) / everyMs)
    if (count + 1 > most) {
      const retryAfterSeconds = Math.ceil(((count + 1 - most) * everyMs) / 1000)
      const policy = `${most};w=${Math.ceil((most * everyMs) / 1000)}`
      const resetSeconds = Math.ceil((count * everyMs) / 1000)
      throw new WarrenError('limit_exceeded', `too many attempts; the next is taken in ${retryAfterSeconds} s`, {
        details: { retryAfterSeconds, rate: { policy, limit: most, remaining: 0, resetSeconds } },
      })
    }
    this.#spent.delete(name)
    if (this.#spent.size >= remembered) this.#spent.delete(this.#spent.keys().next().value!)
    this.#spent.set(name, { count: count + 1, at })
    return () => {
      const spent = this.#spent.get(name)
      if (spent) spent.count = Math.max(0, spent.count - 1)
    }
  }
}
