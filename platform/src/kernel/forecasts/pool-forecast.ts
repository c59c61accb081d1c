import type { Fleet } from './arrivals.ts'
import { type Forecast, Forecaster } from './forecaster.ts'
import { instancesToHave } from './keep-alive.ts'

/** What is foreseen of claims changes by so much of each new error. */
const speed = 0.05

/**
 * How many of a kind to keep ready in a pool, by what is claimed of it in a minute: all that may come at once in the next one,
 * between what the operator has set and a bound.
 */
export class PoolForecast {
  readonly #bounds: { least: number; most: number }
  readonly #forecaster: Forecaster
  #forecast: Forecast
  #claims = 0
  #spread = 0

  /** `fleet`: what pools that are alike share. */
  constructor(fleet: Fleet, bounds: { least: number; most: number }) {
    this.#bounds = bounds
    this.#forecaster = new Forecaster(fleet)
    this.#forecast = this.#forecaster.forecast()
  }

  claimed(): void {
    this.#claims++
  }

  /** A minute has ended. */
  advance(): void {
    this.#spread += speed * (Math.abs(this.#claims - this.#forecast.count) - this.#spread)
    this.#forecaster.observe(this.#claims)
    this.#forecast = this.#forecaster.forecast()
    this.#claims = 0
  }

  get size(): number {
    const { least, most } = this.#bounds
    const wanted = instancesToHave(this.#forecast, { spread: this.#spread, callsPerInstance: 1 })
    return Math.max(least, Math.min(most, wanted))
  }
}
