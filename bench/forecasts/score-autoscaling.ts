import { Fleet } from '../../platform/src/kernel/forecasts/arrivals.ts'
import { Forecaster } from '../../platform/src/kernel/forecasts/forecaster.ts'
import { instancesToHave } from '../../platform/src/kernel/forecasts/keep-alive.ts'
import type { Trace } from './traces.ts'

export interface Scaling {
  /** Calls beyond what the instances that were ready could serve, of all calls, per cent. Null where there were none. */
  coldShare: number | null
  /** Minutes of instances that had nothing to do, relative to as many instances as the busiest of the last 10 minutes needed. */
  waste: number | null
}

export interface AutoscaleScore extends Scaling {
  file: string
  functions: number
  policies: Record<string, Scaling>
}

interface Policy {
  /** How many instances are there during the next minute. */
  instances(): number
  observe(count: number): void
}

/** Where a trace does not say how long a call takes, seconds. One instance serves one call at a time. */
const usualSeconds = 1

export function scoreAutoscaling(trace: Trace): AutoscaleScore {
  const reference = replay(trace, (calls) => busiestOf(10, calls))
  const relative = ({ late, calls, idle }: Replay): Scaling => ({
    coldShare: calls > 0 ? (100 * late) / calls : null,
    waste: reference.idle > 0 ? idle / reference.idle : null,
  })
  const fleet = new Fleet()
  return {
    file: trace.file,
    ...relative(replay(trace, (calls) => forecasting(fleet, calls))),
    functions: trace.series.length,
    policies: {
      'busiest of 10 minutes': relative(reference),
      'as many as a minute ago': relative(replay(trace, (calls) => busiestOf(1, calls))),
    },
  }
}

interface Replay {
  late: number
  calls: number
  idle: number
}

function replay({ series, seconds }: Trace, make: (callsPerInstance: number) => Policy): Replay {
  const sum: Replay = { late: 0, calls: 0, idle: 0 }
  const capacities = seconds.map((each) => Math.max(1, 60 / (each ?? usualSeconds)))
  const policies = capacities.map(make)
  const longest = Math.max(...series.map(({ length }) => length))
  for (let step = 0; step < longest; step++) {
    for (const [at, counts] of series.entries()) {
      if (step >= counts.length) continue
      const count = counts[step]!
      const instances = policies[at]!.instances()
      sum.calls += count
      sum.late += Math.max(0, count - instances * capacities[at]!)
      sum.idle += Math.max(0, instances - Math.ceil(count / capacities[at]!))
      policies[at]!.observe(count)
    }
  }
  return sum
}

function forecasting(fleet: Fleet, callsPerInstance: number): Policy {
  const forecaster = new Forecaster(fleet)
  let [expected, spread] = [0, 0]
  return {
    instances() {
      const forecast = forecaster.forecast()
      expected = forecast.count
      return instancesToHave(forecast, { spread, callsPerInstance })
    },
    observe(count) {
      spread += 0.05 * (Math.abs(count - expected) - spread)
      forecaster.observe(count)
    },
  }
}

function busiestOf(minutes: number, callsPerInstance: number): Policy {
  const recent: number[] = []
  return {
    instances: () => Math.ceil(Math.max(0, ...recent) / callsPerInstance),
    observe(count) {
      recent.push(count)
      if (recent.length > minutes) recent.shift()
    },
  }
}
