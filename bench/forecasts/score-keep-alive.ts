import { Fleet } from '../../platform/src/kernel/forecasts/arrivals.ts'
import { Forecaster } from '../../platform/src/kernel/forecasts/forecaster.ts'
import { lingers, paysToBeReady } from '../../platform/src/kernel/forecasts/keep-alive.ts'
import type { Trace } from './traces.ts'

export interface Keeping {
  /** Minutes with calls that found no instance ready, of all minutes with calls, per cent. Null where there were none. */
  coldShare: number | null
  /** Minutes that an instance was ready in vain, relative to keeping it for 10 minutes after each call. Null where that had none. */
  waste: number | null
}

export interface KeepAliveScore extends Keeping {
  file: string
  functions: number
  policies: Record<string, Keeping>
}

/** Whether an instance is ready during the next minute, decided before it begins. */
interface Policy {
  isReady(): boolean
  observe(count: number): void
}

/** From the first minute on: nothing is known of any function then, and its first call is cold in every policy. */
export function scoreKeepAlive({ file, series }: Trace): KeepAliveScore {
  const reference = replay(series, () => keptFor(10))
  const relative = ({ cold, active, idle }: Replay): Keeping => ({
    coldShare: active > 0 ? (100 * cold) / active : null,
    waste: reference.idle > 0 ? idle / reference.idle : null,
  })
  const fleet = new Fleet()
  return {
    file,
    ...relative(replay(series, () => forecasting(fleet))),
    functions: series.length,
    policies: {
      'fixed 10 minutes': relative(reference),
      'fixed 60 minutes': relative(replay(series, () => keptFor(60))),
      'histogram of gaps': relative(replay(series, histogram)),
    },
  }
}

interface Replay {
  cold: number
  active: number
  idle: number
}

function replay(series: Float32Array[], make: () => Policy): Replay {
  const policies = series.map(make)
  const sum: Replay = { cold: 0, active: 0, idle: 0 }
  const longest = Math.max(...series.map(({ length }) => length))
  for (let step = 0; step < longest; step++) {
    for (const [at, counts] of series.entries()) {
      if (step >= counts.length) continue
      const policy = policies[at]!
      const isReady = policy.isReady()
      if (counts[step]! > 0) sum.active++
      if (counts[step]! > 0 && !isReady) sum.cold++
      if (counts[step] === 0 && isReady) sum.idle++
      policy.observe(counts[step]!)
    }
  }
  return sum
}

function forecasting(fleet: Fleet): Policy {
  const forecaster = new Forecaster(fleet)
  let idleMinutes = Number.POSITIVE_INFINITY
  return {
    isReady: () =>
      paysToBeReady(forecaster.forecast().probability) || lingers(fleet, { idleMinutes, leastMinutes: 10 }),
    observe(count) {
      idleMinutes = count > 0 ? 0 : idleMinutes + 1
      forecaster.observe(count)
    },
  }
}

function keptFor(minutes: number): Policy {
  let since = Number.POSITIVE_INFINITY
  return {
    isReady: () => since < minutes,
    observe(count) {
      since = count > 0 ? 0 : since + 1
    },
  }
}

/** Ready from the 5th percentile of the gaps to the 99th with a tenth on either side; 10 minutes while little is known. */
function histogram(): Policy {
  const gaps = new Float64Array(241)
  let [since, known] = [Number.POSITIVE_INFINITY, 0]
  const percentile = (share: number) => {
    let left = share * known
    for (let gap = 1; gap <= 240; gap++) {
      left -= gaps[gap]!
      if (left <= 0) return gap
    }
    return 240
  }
  return {
    isReady() {
      const next = since + 1
      if (known < 5 || gaps[240]! > known / 2) return since < 10
      return next >= Math.floor(0.9 * percentile(0.05)) && next <= Math.ceil(1.1 * percentile(0.99))
    },
    observe(count) {
      since++
      if (count === 0) return
      if (Number.isFinite(since)) {
        gaps[Math.min(since, 240)]!++
        known++
      }
      since = 0
    },
  }
}
