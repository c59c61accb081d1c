import { Fleet } from '../kernel/forecasts/arrivals.ts'
import { PoolForecast } from '../kernel/forecasts/pool-forecast.ts'

/** Forecasts of what is claimed of each kind of sandbox, in which one kind learns from the others. */
export function claimForecasts(): (most: number) => PoolForecast {
  let fleet: Fleet | undefined
  return (most) => {
    fleet ??= new Fleet()
    return new PoolForecast(fleet, { least: 0, most })
  }
}
