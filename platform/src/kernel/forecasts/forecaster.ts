import { Arrivals, type Fleet } from './arrivals.ts'
import { Counts, rules } from './counts.ts'

export interface Forecast {
  /** Calls in the next minute; the median of what may come, which errs least in sum. */
  count: number
  /** That there is any call, 0 to 1. */
  probability: number
}

/** So much of an old loss is left a minute later. */
const memory = 0.99
/** How clearly a rule must be better to be heard alone. */
const sharpness = 10

/**
 * Forecasts the calls of one function a minute ahead, and learns from each minute. Many simple rules say what they expect;
 * the answer is their median, each weighted by how small its losses were lately. Some 4 KB and some microseconds a minute.
 */
export class Forecaster {
  readonly #arrivals: Arrivals
  readonly #counts = new Counts()
  readonly #expected = new Float32Array(rules)
  readonly #losses = new Float32Array(rules)
  /** Of what came, faded as the losses are. */
  #scale = 0
  #asked = false

  constructor(fleet: Fleet) {
    this.#arrivals = new Arrivals(fleet)
  }

  /** The next minute. Asking twice changes nothing. */
  forecast(): Forecast {
    const probability = this.#arrivals.probability()
    this.#counts.expect(probability, this.#expected)
    this.#asked = true
    return { count: this.#weightedMedian(), probability }
  }

  /** What came in that minute. */
  observe(count: number): void {
    if (!this.#asked) this.forecast()
    for (let at = 0; at < rules; at++)
      this.#losses[at] = memory * this.#losses[at]! + Math.abs(this.#expected[at]! - count)
    this.#scale = memory * this.#scale + count
    this.#arrivals.observe(count > 0)
    this.#counts.observe(count)
    this.#asked = false
  }

  #weightedMedian(): number {
    const losses = this.#losses
    const least = losses.reduce((a, b) => Math.min(a, b))
    const factor = sharpness / (this.#scale || 1)
    const order = Array.from(losses.keys()).sort((a, b) => this.#expected[a]! - this.#expected[b]!)
    const weights = order.map((at) => Math.exp(-factor * (losses[at]! - least)))
    let left = weights.reduce((a, b) => a + b, 0) / 2
    for (const [at, weight] of weights.entries()) {
      left -= weight
      if (left <= 0) return this.#expected[order[at]!]!
    }
    return 0
  }
}
