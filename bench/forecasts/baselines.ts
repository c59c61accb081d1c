/** A simple way to say what comes next, which ours has to beat. */
export interface Baseline {
  forecast(): number
  observe(count: number): void
}

export const baselines: Record<string, () => Baseline> = {
  'last value': () => new Smoothed(1),
  EWMA: () => new Smoothed(0.5),
  'Holt-Winters': () => new HoltWinters(),
  histogram: () => new Histogram(),
}

class Smoothed implements Baseline {
  #level = 0
  readonly #speed: number

  constructor(speed: number) {
    this.#speed = speed
  }

  forecast(): number {
    return this.#level
  }

  observe(count: number): void {
    this.#level += this.#speed * (count - this.#level)
  }
}

/** Additive, with a damped trend and a season of an hour. */
class HoltWinters implements Baseline {
  #level = 0
  #trend = 0
  #step = 0
  readonly #season = new Float64Array(60)

  forecast(): number {
    return Math.max(0, this.#level + 0.9 * this.#trend + this.#season[this.#step % 60]!)
  }

  observe(count: number): void {
    const at = this.#step % 60
    const before = this.#level
    this.#level += 0.9 * this.#trend + 0.2 * (count - this.#season[at]! - this.#level - 0.9 * this.#trend)
    this.#trend = 0.9 * this.#trend + 0.05 * (this.#level - before - 0.9 * this.#trend)
    this.#season[at]! += 0.4 * (count - this.#level - this.#season[at]!)
    this.#step++
  }
}

/** The gaps between calls, as in "Serverless in the Wild": a call is due when the usual gap is over. */
class Histogram implements Baseline {
  readonly #gaps = new Float64Array(241)
  #since = 0
  #size = 0
  #seen = false

  forecast(): number {
    if (!this.#seen) return 0
    const due = Math.min(this.#since + 1, 240)
    let later = 0
    for (let gap = due; gap <= 240; gap++) later += this.#gaps[gap]!
    return later > 0 && this.#gaps[due]! / later > 0.5 ? this.#size : 0
  }

  observe(count: number): void {
    this.#since++
    if (count === 0) return
    if (this.#seen) this.#gaps[Math.min(this.#since, 240)]!++
    this.#size = this.#seen ? this.#size + 0.5 * (count - this.#size) : count
    this.#seen = true
    this.#since = 0
  }
}
