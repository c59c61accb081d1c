import { Fleet } from '../../platform/src/kernel/forecasts/arrivals.ts'
import { Forecaster } from '../../platform/src/kernel/forecasts/forecaster.ts'
import { baselines } from './baselines.ts'
import type { Trace } from './traces.ts'

export interface Accuracy {
  /** 100 (1 - sum of errors / sum of calls), over all functions together. Null where there were no calls. */
  pooled: number | null
  /** The same for each function that was called, and of these the one in the middle. */
  median: number | null
}

export interface ForecastScore extends Accuracy {
  file: string
  functions: number
  baselines: Record<string, Accuracy>
  microsecondsPerStep: number
}

interface Predictor {
  forecast(): number
  observe(count: number): void
}

/**
 * One step ahead, on the second half of each series: the first is what is known by then. All functions of a file are one
 * fleet and go through time together.
 */
export function scoreForecasts({ file, series }: Trace): ForecastScore {
  const fleet = new Fleet()
  const started = process.hrtime.bigint()
  const own = accuracy(series, () => {
    const forecaster = new Forecaster(fleet)
    return { forecast: () => forecaster.forecast().count, observe: (count) => forecaster.observe(count) }
  })
  const took = Number(process.hrtime.bigint() - started) / 1000
  const steps = series.reduce((sum, { length }) => sum + length, 0)
  return {
    file,
    ...own,
    functions: series.length,
    baselines: Object.fromEntries(Object.entries(baselines).map(([name, make]) => [name, accuracy(series, make)])),
    microsecondsPerStep: took / steps,
  }
}

function accuracy(series: Float32Array[], make: () => Predictor): Accuracy {
  const predictors = series.map(make)
  const [errors, calls] = [new Float64Array(series.length), new Float64Array(series.length)]
  const longest = Math.max(...series.map(({ length }) => length))
  for (let step = 0; step < longest; step++) {
    for (const [at, counts] of series.entries()) {
      if (step >= counts.length) continue
      const count = counts[step]!
      const expected = predictors[at]!.forecast()
      if (step >= counts.length / 2) {
        errors[at]! += Math.abs(expected - count)
        calls[at]! += count
      }
      predictors[at]!.observe(count)
    }
  }
  const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0)
  const each = [...calls.keys()].filter((at) => calls[at]! > 0).map((at) => 1 - errors[at]! / calls[at]!)
  each.sort((a, b) => a - b)
  return {
    pooled: sum(calls) > 0 ? 100 * (1 - sum(errors) / sum(calls)) : null,
    median: each.length > 0 ? 100 * each[each.length >> 1]! : null,
  }
}
