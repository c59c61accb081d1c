import type { FunctionRecord } from './function.ts'
import type { Finished } from './invocations/invocation.ts'

/** What one function did since the platform started. */
export interface FunctionCounts {
  invocations: number
  errors: number
  timeouts: number
  coldStarts: number
  throttles: number
  totalMs: number
}

/** Counts calls, in memory. */
export class Counters {
  readonly #counts = new Map<string, FunctionCounts>()

  of(functionId: string): FunctionCounts {
    const known = this.#counts.get(functionId)
    if (known) return known
    const fresh = { invocations: 0, errors: 0, timeouts: 0, coldStarts: 0, throttles: 0, totalMs: 0 }
    this.#counts.set(functionId, fresh)
    return fresh
  }

  count({ id }: FunctionRecord, { finished, cold, ms }: { finished: Finished; cold: boolean; ms: number }): void {
    const counts = this.of(id)
    counts.invocations++
    counts.totalMs += ms
    if (cold) counts.coldStarts++
    if (finished.outcome.ok) return
    counts.errors++
    if (finished.outcome.failure.reason === 'timeout') counts.timeouts++
  }

  forget(functionId: string): void {
    this.#counts.delete(functionId)
  }
}
