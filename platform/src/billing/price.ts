import type { UsageFact } from '../metering/usage-fact.ts'
import { halfEven } from './half-even.ts'
import { type Meter, meterNames, noQuantities, type Quantities } from './meter.ts'
import type { PlanTerms } from './plan.ts'

/** A plan in one currency, for a part of a month. */
export interface PricedPlan {
  terms: PlanTerms
  currency: string
  /** Of a month of `of` milliseconds so many: the monthly price and what is included are for that part. */
  share: { ms: bigint; of: bigint }
}

export interface Price {
  fee: bigint
  usage: Record<Meter, bigint>
  total: bigint
}

/**
 * What the facts cost under a plan. Whole numbers throughout; there is one place that rounds, the price of one meter over
 * one part of a month, where what lies between two smallest units goes to the nearer one, and exactly between to the even one.
 */
export function price(facts: readonly UsageFact[], plan: PricedPlan): Price {
  const quantities = quantitiesOf(facts, plan.terms)
  const usage = Object.fromEntries(
    meterNames.map((meter) => [meter, priceOfMeter(meter, quantities[meter], plan)]),
  ) as Record<Meter, bigint>
  const fee = feeOf(plan)
  return { fee, usage, total: Object.values(usage).reduce((sum, amount) => sum + amount, fee) }
}

/** Of so much of one meter, what goes beyond the included part. */
export function priceOfMeter(meter: Meter, quantity: bigint, { terms, currency, share }: PricedPlan): bigint {
  const rate = terms.prices[currency]?.rates[meter]
  if (!rate) return 0n
  const included = (BigInt(terms.included[meter] ?? 0) * share.ms) / share.of
  const beyond = quantity - included
  return beyond > 0n ? halfEven(beyond * BigInt(rate.minor), BigInt(rate.per)) : 0n
}

export function feeOf({ terms, currency, share }: PricedPlan): bigint {
  return halfEven(BigInt(terms.prices[currency]?.monthly ?? 0) * share.ms, share.of)
}

function quantitiesOf(facts: readonly UsageFact[], { minimumMs }: PlanTerms): Quantities {
  const sums = noQuantities()
  for (const fact of facts) {
    const lasted = Math.max(fact.endedAt.getTime() - fact.startedAt.getTime(), minimumMs)
    if (fact.kind === 'sandbox' || fact.kind === 'function' || fact.kind === 'agent')
      sums[`${fact.kind}.time`] += BigInt(lasted)
    sums.cpu += BigInt(fact.cpuMs ?? 0)
    sums.memory += BigInt(fact.memoryMbMs ?? 0)
    sums['memory.held'] += BigInt(fact.memoryHeldMbMs ?? 0)
    sums.disk += BigInt(fact.diskMbMs ?? 0)
    sums['network.in'] += BigInt(fact.networkInBytes ?? 0)
    sums['network.out'] += BigInt(fact.networkOutBytes ?? 0)
    sums.gpu += BigInt(fact.gpuMs ?? 0)
    sums['model.input'] += BigInt(fact.modelInputTokens ?? 0)
    sums['model.cached'] += BigInt(fact.modelCachedTokens ?? 0)
    sums['model.output'] += BigInt(fact.modelOutputTokens ?? 0)
  }
  return sums
}
