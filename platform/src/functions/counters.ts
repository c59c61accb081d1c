import type { FunctionRecord } from './function.ts'
import type { Finished } from './invocations/invocation.ts'

/** What one function, or all together, did since the platform started. */
export interface FunctionCounts {
  invocations: number
  errors: number
  timeouts: number
  coldStarts: number
  throttles: number
  totalMs: number
}

/** Upper ends of the ranges by which lengths of calls are counted, milliseconds; beyond the last one there is one more. */
export const durationsMs = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 60_000, 600_000] as const

/** What one function did, with how many calls were how long. */
export interface CountsOfOne extends FunctionCounts {
  readonly function: Pick<FunctionRecord, 'id' | 'name' | 'accountId'>
  /** By range of `durationsMs`, each by itself. */
  readonly durations: number[]
  /** When it was called last, by `performance.now()`. */
  lastAt: number
}

/** Counts calls, in memory. */
export class Counters {
  readonly #counts = new Map<string, CountsOfOne>()
  /** Of all functions, those that are gone too. */
  readonly all: FunctionCounts = fresh()

  of(functionId: string): Readonly<FunctionCounts> {
    return this.#counts.get(functionId) ?? fresh()
  }

  /** Of those that were called. */
  each(): Iterable<Readonly<CountsOfOne>> {
    return this.#counts.values()
  }

  count(record: FunctionRecord, { finished, cold, ms }: { finished: Finished; cold: boolean; ms: number }): void {
    const one = this.#of(record)
    let range = 0
    while (range < durationsMs.length && ms > durationsMs[range]!) range++
    one.durations[range]!++
    const { outcome } = finished
    for (const counts of [one, this.all]) {
      counts.invocations++
      counts.totalMs += ms
      if (cold) counts.coldStarts++
      if (outcome.ok) continue
      counts.errors++
      if (outcome.failure.reason === 'timeout') counts.timeouts++
    }
  }

  /** A call was refused because as many as may be are made. */
  throttled(record: FunctionRecord): void {
    for (const counts of [this.#of(record), this.all]) counts.throttles++
  }

  forget(functionId: string): void {
    this.#counts.delete(functionId)
  }

  #of(record: FunctionRecord): CountsOfOne {
    let counts = this.#counts.get(record.id)
    if (!counts) {
      const durations = new Array<number>(durationsMs.length + 1).fill(0)
      counts = { ...fresh(), function: record, durations, lastAt: 0 }
      this.#counts.set(record.id, counts)
    }
    counts.lastAt = performance.now()
    return counts
  }
}

function fresh(): FunctionCounts {
  return { invocations: 0, errors: 0, timeouts: 0, coldStarts: 0, throttles: 0, totalMs: 0 }
}
