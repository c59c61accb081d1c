import { Fleet } from '../../kernel/forecasts/arrivals.ts'
import { type Forecast, Forecaster } from '../../kernel/forecasts/forecaster.ts'
import { instancesToHave, lingers, missCostOf } from '../../kernel/forecasts/keep-alive.ts'

/** The minutes of forecasts, in Unix milliseconds. */
const minuteMs = 60_000
/** They begin so long before those of the clock, milliseconds: what is called at the full minute finds what was made ready for it. */
const leadMs = 10_000
/** So many functions are followed; whoever was called longest ago goes first. Some 9 KB each. */
const mostSeries = 2000
/** A function that nobody called for so long is a stranger again, minutes. */
const rememberedMinutes = 1440
/** Of a platform that stood still no more minutes are taken for minutes without calls. */
const mostPassed = 60
/** After so many functions others get the processor. */
const atOnce = 50
/** What each new minute counts in an average of what was measured. */
const speed = 0.05

/** What is known of the calls of one function. */
interface Series {
  forecaster: Forecaster
  /** Calls in this minute. */
  arrived: number
  /** Minutes without a call before this one. */
  idleMinutes: number
  forecast: Forecast
  /** How far forecasts were off lately, calls. */
  spread: number
  /** How long a call takes, a start until the code is loaded, and what an idle instance holds, as far as it was measured. */
  callMs: number | undefined
  startMs: number | undefined
  memoryMb: number | undefined
}

/** What instances of a function are for. */
interface Served {
  /** The part of the calls that go to them, above 0, at most 1. */
  share: number
  /** Calls that one of them answers at the same time. */
  concurrency: number
}

/** Calls of each function by the minute: what came, what is foreseen for this one, and how many instances that pays for. */
export class Demand {
  readonly #now: () => Date
  /** Minutes that an instance is kept after a call while too little is known of calls to foresee any. */
  readonly #leastMinutes: number
  readonly #fleet = new Fleet()
  /** By function, whichever was called last at the end. */
  readonly #series = new Map<string, Series>()
  #minute: number

  constructor({ now, leastMinutes }: { now: () => Date; leastMinutes: number }) {
    this.#now = now
    this.#leastMinutes = leastMinutes
    this.#minute = minuteOf(now())
  }

  /** Functions that were called within what is remembered. */
  get functions(): string[] {
    return [...this.#series.keys()]
  }

  /** What is foreseen for this minute; undefined of a function that is not followed. */
  forecast(functionId: string): Forecast | undefined {
    return this.#series.get(functionId)?.forecast
  }

  /** Somebody calls it. */
  called(functionId: string): void {
    const series = this.#of(functionId)
    if (series.arrived++ > 0) return
    this.#series.delete(functionId)
    this.#series.set(functionId, series)
  }

  /** What was measured of it, milliseconds and MiB. */
  measured(functionId: string, what: { callMs?: number; startMs?: number; memoryMb?: number }): void {
    const series = this.#series.get(functionId)
    if (!series) return
    if (what.callMs !== undefined) series.callMs = averaged(series.callMs, what.callMs)
    if (what.startMs !== undefined) series.startMs = averaged(series.startMs, what.startMs)
    if (what.memoryMb !== undefined) series.memoryMb = averaged(series.memoryMb, what.memoryMb)
  }

  /** How many instances for these calls it pays to have in this minute, before any of them comes. */
  instances(functionId: string, { share, concurrency }: Served): number {
    const series = this.#series.get(functionId)
    if (!series) return 0
    const cost = missCostOf(series)
    const forecast = { count: share * series.forecast.count, probability: share * series.forecast.probability }
    const callsPerInstance = Math.max(1, (concurrency * minuteMs) / Math.max(series.callMs ?? 1, 1))
    return instancesToHave(forecast, { spread: share * series.spread, callsPerInstance, cost })
  }

  /** Whether an instance that is there stays although no call is expected: too little is known of any, and it had one lately. */
  lingers(functionId: string): boolean {
    const series = this.#series.get(functionId)
    const leastMinutes = this.#leastMinutes
    return series !== undefined && lingers(this.#fleet, { idleMinutes: series.idleMinutes, leastMinutes })
  }

  /** Whether a minute has ended since it was asked last. What came in it is learned, and the next one foreseen. */
  async advance(): Promise<boolean> {
    const minute = minuteOf(this.#now())
    // One that is set back goes on from there.
    const passed = Math.min(minute - this.#minute, mostPassed)
    this.#minute = minute
    for (let at = 0; at < passed; at++) await this.#end()
    return passed > 0
  }

  /**
   * Learns what came before this process did: how many calls in which minute, numbered back from that of `now`, which is the one
   * that goes on then; 1 the last that ended. Lets go of the processor now and then.
   */
  async learn(
    past: ReadonlyMap<string, ReadonlyMap<number, number>>,
    { now, minutes }: { now: Date; minutes: number },
  ): Promise<void> {
    this.#minute = minuteOf(now)
    for (let ago = minutes; ago > 0; ago--) {
      for (const [functionId, counts] of past) {
        const count = counts.get(ago) ?? 0
        if (count > 0 || this.#series.has(functionId)) this.#observe(this.#of(functionId), count)
      }
      await new Promise(setImmediate)
    }
  }

  forget(functionId: string): void {
    this.#series.delete(functionId)
  }

  #of(functionId: string): Series {
    const known = this.#series.get(functionId)
    if (known) return known
    if (this.#series.size >= mostSeries) this.#series.delete(this.#series.keys().next().value!)
    const forecaster = new Forecaster(this.#fleet)
    const series: Series = {
      ...{ forecaster, arrived: 0, idleMinutes: Number.POSITIVE_INFINITY, spread: 0, forecast: forecaster.forecast() },
      ...{ callMs: undefined, startMs: undefined, memoryMb: undefined },
    }
    this.#series.set(functionId, series)
    return series
  }

  async #end(): Promise<void> {
    for (const [at, [functionId, series]] of [...this.#series].entries()) {
      this.#observe(series, series.arrived)
      series.arrived = 0
      if (series.idleMinutes >= rememberedMinutes) this.#series.delete(functionId)
      if (at % atOnce === atOnce - 1) await new Promise(setImmediate)
    }
  }

  #observe(series: Series, count: number): void {
    series.spread += speed * (Math.abs(count - series.forecast.count) - series.spread)
    series.idleMinutes = count > 0 ? 0 : series.idleMinutes + 1
    series.forecaster.observe(count)
    series.forecast = series.forecaster.forecast()
  }
}

function averaged(known: number | undefined, measured: number): number {
  return known === undefined ? measured : known + speed * (measured - known)
}

/** The minute of forecasts that this time is in. */
export function minuteOf(time: Date): number {
  return Math.floor((time.getTime() + leadMs) / minuteMs)
}
