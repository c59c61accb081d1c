import { loadavg } from 'node:os'
import { type Distribution, distribution } from './statistics.ts'

/** What a promise says: this percentile is at most this value. */
export interface Target {
  percentile: keyof Distribution
  atMost: number
}

/** One measured thing. Times are milliseconds; failed attempts are counted and not timed. */
export interface Series extends Distribution {
  name: string
  unit: 'ms'
  samples: number
  failed: number
  /** Share of the attempts that succeeded. */
  success: number
  /** Load average of the machine over the last minute, when this was measured. */
  load: number
  /** The first failure, if there was one. */
  failure?: string
  note?: string
  targets: (Target & { met: boolean })[]
}

/** Collects the times of attempts under one name. */
export class Recorder {
  readonly #times: number[] = []
  #failed = 0
  #failure: string | undefined

  /** Times one attempt. Undefined when it failed. */
  async time<T>(attempt: () => Promise<T>): Promise<T | undefined> {
    const startedAt = performance.now()
    try {
      const result = await attempt()
      this.add(performance.now() - startedAt)
      return result
    } catch (error) {
      this.fail(error)
      return undefined
    }
  }

  add(ms: number): void {
    this.#times.push(ms)
  }

  fail(error: unknown): void {
    this.#failed++
    this.#failure ??= error instanceof Error ? error.message : String(error)
  }

  get count(): number {
    return this.#times.length
  }

  series(name: string, options: { targets?: Target[]; note?: string | undefined } = {}): Series {
    const found = distribution(this.#times)
    const attempts = this.#times.length + this.#failed
    return {
      name,
      unit: 'ms',
      samples: this.#times.length,
      failed: this.#failed,
      success: attempts === 0 ? 0 : this.#times.length / attempts,
      ...found,
      load: Math.round(loadavg()[0]! * 100) / 100,
      ...(this.#failure && { failure: this.#failure }),
      ...(options.note && { note: options.note }),
      targets: (options.targets ?? []).map((target) => ({ ...target, met: found[target.percentile] <= target.atMost })),
    }
  }
}
