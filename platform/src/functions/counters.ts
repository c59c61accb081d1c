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

/** Counts calls, in memory. */
export class Counters {
  readonly #counts = new Map<string, FunctionCounts>()
  /** Of all functions, those that are gone too. */
  readonly all: Readonly<FunctionCounts> = fresh()

  of(functionId: string): Readonly<FunctionCounts> {
    return this.#counts.get(functionId) ?? fresh()
  }

  count({ id }: FunctionRecord, { finished, cold, ms }: { finished: Finished; cold: boolean; ms: number }): void {
    const { outcome } = finished
    for (const counts of this.#concerned(id)) {
      counts.invocations++
      counts.totalMs += ms
      if (cold) counts.coldStarts++
      if (outcome.ok) continue
      counts.errors++
      if (outcome.failure.reason === 'timeout') counts.timeouts++
    }
  }

  /** A call was refused because as many as may be are made. */
  throttled({ id }: FunctionRecord): void {
    for (const counts of this.#concerned(id)) counts.throttles++
  }

  forget(functionId: string): void {
    this.#counts.delete(functionId)
  }

  #concerned(functionId: string): FunctionCounts[] {
    const known = this.#counts.get(functionId)
    const counts = known ?? fresh()
    if (!known) this.#counts.set(functionId, counts)
    return [counts, this.all]
  }
}

function fresh(): FunctionCounts {
  return { invocations: 0, errors: 0, timeouts: 0, coldStarts: 0, throttles: 0, totalMs: 0 }
}
