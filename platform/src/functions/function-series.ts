import { type Counters, type CountsOfOne, durationsMs } from './counters.ts'

/** What is shown of a function since it has a place of its own, or of all others together. */
export interface Series {
  /** None: all others. */
  function: CountsOfOne['function'] | undefined
  invocations: number
  errors: number
  coldStarts: number
  throttles: number
  totalMs: number
  durations: number[]
  instances: number
}

const recentMs = 3_600_000
const summed = ['invocations', 'errors', 'coldStarts', 'throttles', 'totalMs'] as const

interface Seen {
  counts: Pick<CountsOfOne, (typeof summed)[number] | 'durations'>
  shown: Series | undefined
}

/**
 * The figures of functions one by one, for a bounded number of them: those that were called within the last hour, at most so many, and the rest as
 * one. What a function does while it has no place of its own is added to the rest and stays there, so that no count ever falls. All is worked out when
 * somebody asks; a call counts in its function's own numbers and knows nothing of this.
 */
export class FunctionSeries {
  readonly #counters: Counters
  readonly #instancesOf: () => Map<string, number>
  readonly #most: number
  readonly #now: () => number
  readonly #seen = new Map<string, Seen>()
  readonly #others = fresh(undefined)

  constructor(
    counters: Counters,
    {
      instancesOf,
      most = 100,
      now = () => performance.now(),
    }: { instancesOf: () => Map<string, number>; most?: number; now?: () => number },
  ) {
    this.#counters = counters
    this.#instancesOf = instancesOf
    this.#most = most
    this.#now = now
  }

  /** One for each that is shown, and last the others. */
  read(): Series[] {
    const all = new Map([...this.#counters.each()].map((counts) => [counts.function.id, counts]))
    for (const id of this.#seen.keys()) if (!all.has(id)) this.#seen.delete(id)
    this.#choose(all)
    const instances = this.#instancesOf()
    this.#others.instances = 0
    for (const [id, counts] of all) {
      const seen = this.#seen.get(id)!
      const series = seen.shown ?? this.#others
      for (const what of summed) series[what] += counts[what] - seen.counts[what]
      counts.durations.forEach((count, range) => {
        series.durations[range]! += count - seen.counts.durations[range]!
      })
      seen.counts = { ...counts, durations: [...counts.durations] }
      if (seen.shown) seen.shown.instances = instances.get(id) ?? 0
    }
    for (const [id, count] of instances) if (!this.#seen.get(id)?.shown) this.#others.instances += count
    const shown = [...this.#seen.values()].flatMap((seen) => seen.shown ?? [])
    return [...shown, this.#others]
  }

  /** Who has a place keeps it while it is called; free places go to those that were called most. */
  #choose(all: ReadonlyMap<string, CountsOfOne>): void {
    const since = this.#now() - recentMs
    let room = this.#most
    const waiting: CountsOfOne[] = []
    for (const [id, counts] of all) {
      const seen = this.#seen.get(id) ?? { counts: fresh(undefined), shown: undefined }
      this.#seen.set(id, seen)
      if (counts.lastAt < since) seen.shown = undefined
      else if (seen.shown) room--
      else waiting.push(counts)
    }
    waiting.sort((a, b) => b.invocations - a.invocations)
    for (const counts of waiting.slice(0, room)) this.#seen.get(counts.function.id)!.shown = fresh(counts.function)
  }
}

function fresh(of: Series['function']): Series {
  const durations = new Array<number>(durationsMs.length + 1).fill(0)
  return { function: of, invocations: 0, errors: 0, coldStarts: 0, throttles: 0, totalMs: 0, durations, instances: 0 }
}
