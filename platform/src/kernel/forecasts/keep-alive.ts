/** What a call that finds no instance costs, in minutes that an instance stays ready in vain. */
export const missCost = 90

/**
 * Whether an instance is kept ready, or made ready, for the next minute: when what a miss would cost, times how probable
 * a call is, is more than a minute in vain. `probability` is a forecast's.
 */
export function paysToBeReady(probability: number, cost: number = missCost): boolean {
  return probability * cost > 1 - probability
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
