import type { Fleet } from './arrivals.ts'

/** What a call that finds no instance costs, in minutes that an instance stays ready in vain. */
export const missCost = 90
/** Up to a start so long and an instance so large a miss costs `missCost`. */
const usual = { startMs: 100, memoryMb: 64 }
/** What was measured of a function changes the cost by so much at most. */
const mostTimes = 4

/**
 * What a miss costs of a function whose starts take so long and whose idle instances hold so much memory, as far as either was
 * measured: more where its callers wait for long, less where much memory would wait for them.
 */
export function missCostOf({
  startMs,
  memoryMb,
}: {
  startMs?: number | undefined
  memoryMb?: number | undefined
}): number {
  const slower = Math.max(1, (startMs ?? 0) / usual.startMs)
  const larger = Math.max(1, (memoryMb ?? 0) / usual.memoryMb)
  return missCost * Math.min(mostTimes, Math.max(1 / mostTimes, slower / larger))
}

/**
 * Whether an instance is kept ready, or made ready, for the next minute: when what a miss would cost, times how probable
 * a call is, is more than a minute in vain. `probability` is a forecast's.
 */
export function paysToBeReady(probability: number, cost: number = missCost): boolean {
  return probability * cost > 1 - probability
}

/** Whether an instance that is there stays for some minutes after a call, whatever is foreseen: the fleet knows too little to judge by. */
export function lingers(
  fleet: Fleet,
  { idleMinutes, leastMinutes }: { idleMinutes: number; leastMinutes: number },
): boolean {
  return !fleet.isExperienced && idleMinutes < leastMinutes
}

/**
 * How many instances to have ready for the next minute. `count` is the forecast of calls, `spread` how far forecasts were
 * off lately (mean absolute error), `callsPerInstance` how many calls one instance serves in a minute.
 */
export function instancesToHave(
  { count, probability }: { count: number; probability: number },
  { spread, callsPerInstance, cost = missCost }: { spread: number; callsPerInstance: number; cost?: number },
): number {
  const margin = marginFor(cost) * spread
  const wanted = Math.ceil((count + (count > 0 ? margin : 0)) / callsPerInstance)
  return wanted > 0 ? wanted : paysToBeReady(probability, cost) ? 1 : 0
}

/** So many mean errors are passed once in `cost` minutes, were errors of Laplace's distribution. */
function marginFor(cost: number): number {
  return Math.max(0, Math.log(cost / 2))
}
