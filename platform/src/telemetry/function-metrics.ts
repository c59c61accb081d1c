import type { Metric, Registry } from 'prom-client'

/** Figures of one function, or without `function` those of all others together. */
export interface FunctionSeries {
  function: { id: string; name: string; accountId: string } | undefined
  invocations: number
  errors: number
  coldStarts: number
  throttles: number
  totalMs: number
  /** Calls by range of length; the last one is that of all that are longer. */
  durations: readonly number[]
  instances: number
}

interface Value {
  labels: Record<string, string>
  value: number
  metricName?: string
}

/** Adds what is told of functions one by one. `read` answers as many as there may be, see functions/function-series.ts. */
export function addFunctionMetrics(
  registry: Registry,
  { read, durationsMs }: { read: () => readonly FunctionSeries[]; durationsMs: readonly number[] },
): void {
  let series: readonly FunctionSeries[] | undefined
  /** All figures of one answer are of the same moment. */
  const now = () => {
    if (!series) setImmediate(() => (series = undefined))
    series ??= read()
    return series
  }
  const add = (name: string, type: string, help: string, values: (one: FunctionSeries) => Value[]) => {
    const get = async () => ({ name, help, type, aggregator: 'sum', values: now().flatMap(values) })
    registry.registerMetric({ name, get } as unknown as Metric)
  }
  for (const [name, help, count] of [
    ['function_call_errors_total', 'Calls that failed, by function.', ({ errors }) => errors],
    [
      'function_call_throttles_total',
      'Calls that were refused for want of room, by function.',
      ({ throttles }) => throttles,
    ],
    [
      'function_call_cold_starts_total',
      'Calls that waited for an instance to start, by function.',
      ({ coldStarts }) => coldStarts,
    ],
  ] satisfies [string, string, (one: FunctionSeries) => number][])
    add(name, 'counter', help, (one) => [{ labels: labelsOf(one), value: count(one) }])
  add('function_concurrent_instances', 'gauge', 'Instances that are there, by function.', (one) => [
    { labels: labelsOf(one), value: one.instances },
  ])
  const name = 'function_call_duration_seconds'
  add(name, 'histogram', 'How long calls took, by function; its count is that of the calls.', (one) => {
    const labels = labelsOf(one)
    let below = 0
    const buckets = one.durations.map((count, range) => {
      below += count
      const le = range < durationsMs.length ? String(durationsMs[range]! / 1000) : '+Inf'
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: one.totalMs / 1000 },
      { metricName: `${name}_count`, labels, value: one.invocations },
    ]
  })
}

function labelsOf({ function: of }: FunctionSeries): Record<string, string> {
  return of ? { function: of.id, name: of.name, account: of.accountId } : { function: 'other', name: '', account: '' }
}
