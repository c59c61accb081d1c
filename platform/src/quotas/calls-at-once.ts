import { quotaExceeded } from '../lib/quota-exceeded.ts'

interface Counted {
  running: number
  /** Let in one after the other, as places become free. */
  waiting: (() => void)[]
}

/** Takes a place for one call of an organisation until what it answers is called. Without `waits` it throws `limit_exceeded`. */
export type TakePlace = (accountId: string, options: { waits: boolean }) => Promise<() => void>

/** Calls of functions of each organisation that this platform makes right now, against its quota. */
export class CallsAtOnce {
  readonly #mostOf: (accountId: string) => Promise<number | undefined>
  readonly #counted = new Map<string, Counted>()

  constructor(mostOf: (accountId: string) => Promise<number | undefined>) {
    this.#mostOf = mostOf
  }

  readonly take: TakePlace = async (accountId, { waits }) => {
    const most = (await this.#mostOf(accountId)) ?? Number.POSITIVE_INFINITY
    const counted = this.#counted.get(accountId) ?? { running: 0, waiting: [] }
    this.#counted.set(accountId, counted)
    if (counted.running < most) counted.running++
    else if (!waits || most < 1) throw quotaExceeded({ quota: 'functions', most })
    // Whoever lets it in counts it.
    else await new Promise<void>((resolve) => counted.waiting.push(resolve))
    let taken = true
    return () => {
      if (taken) void this.#leave(accountId, counted)
      taken = false
    }
  }

  running(accountId: string): number {
    return this.#counted.get(accountId)?.running ?? 0
  }

  /** Organisations that have calls waiting for a place. */
  get full(): string[] {
    return [...this.#counted].filter(([, { waiting }]) => waiting.length > 0).map(([accountId]) => accountId)
  }

  async #leave(accountId: string, counted: Counted): Promise<void> {
    counted.running--
    if (counted.waiting.length > 0) {
      const most = (await this.#mostOf(accountId).catch(() => undefined)) ?? Number.POSITIVE_INFINITY
      // The quota may have been raised meanwhile, and at least one goes on for one that left.
      while (counted.waiting.length > 0 && (counted.running < most || counted.running === 0)) {
        counted.running++
        counted.waiting.shift()!()
      }
    }
    if (counted.running === 0 && counted.waiting.length === 0) this.#counted.delete(accountId)
  }
}
