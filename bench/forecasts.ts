import { type AutoscaleScore, type Scaling, scoreAutoscaling } from './forecasts/score-autoscaling.ts'
import { type Accuracy, type ForecastScore, scoreForecasts } from './forecasts/score-forecasts.ts'
import { type KeepAliveScore, scoreKeepAlive } from './forecasts/score-keep-alive.ts'
import { readTraces, type Trace } from './forecasts/traces.ts'

export const forecastBenches = ['forecast', 'keepalive', 'autoscale'] as const

export type ForecastReport =
  | { bench: 'forecast'; files: ForecastScore[] }
  | { bench: 'keepalive'; files: KeepAliveScore[] }
  | { bench: 'autoscale'; files: AutoscaleScore[] }

/** Scores what `platform/src/kernel/forecasts` says and decides on every trace of a folder, beside simple ways to do the same. */
export function benchForecasts(
  bench: ForecastReport['bench'],
  { traces, tell }: { traces: string; tell: (line: string) => void },
): ForecastReport {
  const each = <T>(score: (trace: Trace) => T) =>
    readTraces(traces).map((trace) => {
      tell(`${trace.file}: ${trace.series.length} series of ${trace.series[0]?.length ?? 0} steps`)
      return score(trace)
    })
  if (bench === 'forecast') return { bench, files: each(scoreForecasts) }
  if (bench === 'keepalive') return { bench, files: each(scoreKeepAlive) }
  return { bench, files: each(scoreAutoscaling) }
}

export function printForecasts(report: ForecastReport): string {
  const blocks =
    report.bench === 'forecast'
      ? report.files.map((score) => accuracies(score))
      : report.files.map((score) => decisions(score, score.policies))
  const head =
    report.bench === 'forecast'
      ? 'accuracy of the next step, 100 (1 - errors / calls), second half of each series: pooled, median function'
      : report.bench === 'keepalive'
        ? 'minutes with calls that found nothing ready, per cent; minutes ready in vain, relative to 10 minutes after each call'
        : 'calls beyond what was ready, per cent; minutes of idle instances, relative to as many as the busiest of 10 minutes'
  return `${head}\n\n${blocks.join('\n')}`
}

function accuracies({ file, functions, baselines, microsecondsPerStep, ...own }: ForecastScore): string {
  const row = (name: string, { pooled, median }: Accuracy) => line(name, number(pooled, 1), number(median, 1))
  const rows = Object.entries(baselines).map(([name, accuracy]) => row(name, accuracy))
  return [
    `${title(file, functions)}, ${microsecondsPerStep.toFixed(0)} µs a step`,
    row('warren', own),
    ...rows,
    '',
  ].join('\n')
}

function decisions(
  { file, functions, ...own }: KeepAliveScore | AutoscaleScore,
  policies: Record<string, Scaling>,
): string {
  const row = (name: string, { coldShare, waste }: Scaling) => line(name, `${number(coldShare, 2)} %`, number(waste, 2))
  const rows = Object.entries(policies).map(([name, scaling]) => row(name, scaling))
  return [title(file, functions), row('warren', own), ...rows, ''].join('\n')
}

function title(file: string, functions: number): string {
  return `${file}, ${functions} ${functions === 1 ? 'function' : 'functions'}`
}

function line(name: string, ...values: string[]): string {
  return `  ${name.padEnd(26)}${values.map((value) => value.padStart(10)).join('')}`
}

function number(value: number | null, digits: number): string {
  return value === null ? '-' : value.toFixed(digits)
}
