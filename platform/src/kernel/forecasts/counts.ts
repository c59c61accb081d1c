/** How many calls came in each of the last minutes, and what simple rules make of it. */
export class Counts {
  /** The last `kept` minutes, in a ring. */
  readonly #ring = new Float32Array(kept)
  readonly #averages = new Float32Array(speeds.length)
  /** Of minutes in which something came, the newest first. */
  readonly #active: number[] = []
  #minutes = 0

  observe(count: number): void {
    this.#ring[this.#minutes % kept] = count
    this.#minutes++
    for (let at = 0; at < speeds.length; at++) {
      // The first ones are averages of all there is, or they would remember the zero they began with.
      const speed = Math.max(speeds[at]!, 1 / this.#minutes)
      this.#averages[at]! += speed * (count - this.#averages[at]!)
    }
    if (count > 0) this.#active.unshift(count)
    if (this.#active.length > mostActive) this.#active.pop()
  }

  /** What each rule expects of the next minute; `arrival` is the probability that anything comes. Fills `into`. */
  expect(arrival: number, into: Float32Array): void {
    let at = 0
    const add = (value: number) => {
      into[at++] = Math.max(0, value)
    }
    const last = this.#ago(1)
    add(0)
    add(last)
    add(last + 0.5 * (last - this.#ago(2)))
    for (const average of this.#averages) add(average)
    for (const width of medianWidths) add(median(this.#window(width)))
    for (const lag of lags) {
      const [a, b, c] = [this.#ago(lag), this.#ago(2 * lag), this.#ago(3 * lag)]
      add(a)
      add(Math.max(Math.min(a, b), Math.min(Math.max(a, b), c)))
    }
    const sizes = this.#active.slice(0, 15)
    const [usual, few] = [median(sizes), median(sizes.slice(0, 5))]
    for (const threshold of [0.35, 0.5]) {
      add(arrival > threshold ? (sizes[0] ?? 1) : 0)
      add(arrival > threshold ? few || 1 : 0)
      add(arrival > threshold ? usual || 1 : 0)
    }
    // The median of "nothing, or one of these sizes".
    add(arrival > 0.5 ? quantile(sizes, (arrival - 0.5) / arrival) || 1 : 0)
  }

  /** Zero before the beginning, and where it is not remembered. */
  #ago(lag: number): number {
    return lag <= this.#minutes && lag <= kept ? this.#ring[(this.#minutes - lag) % kept]! : 0
  }

  #window(width: number): number[] {
    return Array.from({ length: Math.min(width, this.#minutes) }, (_, at) => this.#ago(at + 1))
  }
}

const kept = 256
const mostActive = 31
const speeds = [0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02]
const medianWidths = [3, 5, 9, 15, 31]
const lags = [2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 90, 120]

/** How many rules there are. */
export const rules = 3 + speeds.length + medianWidths.length + 2 * lags.length + 7

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}
