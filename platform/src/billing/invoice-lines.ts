import { sql } from 'kysely'
import type { Queries } from '../storage/database.ts'
import { subscriptionsOf } from './billing-account.ts'
import { discounts, redemptionsOf } from './coupon.ts'
import type { Invoice, NewLine } from './invoice.ts'
import { invoicesInOrder } from './invoice-records.ts'
import { type Meter, meterNames, type Quantities } from './meter.ts'
import { findPlan } from './plans.ts'
import { feeOf, priceOfMeter } from './price.ts'
import { type Segment, segmentsBetween } from './segments.ts'
import { extentOf, usageBySegment, type Window } from './usage.ts'

type Bounds = Pick<Invoice, 'accountId' | 'currency' | 'periodStart' | 'periodEnd' | 'toSeq'>

/**
 * The lines of an invoice with these bounds, computed from the facts and the plans. What comes late to a segment that was
 * invoiced before costs what the whole segment costs now, less what was invoiced of it: in the end each segment costs what
 * all its facts together do.
 */
export async function invoiceLines(queries: Queries, bounds: Bounds): Promise<{ lines: NewLine[]; facts: number }> {
  const { accountId, currency, periodStart, periodEnd } = bounds
  const earlier = (await invoicesInOrder(queries, accountId)).filter((invoice) => isBefore(invoice, bounds))
  const window = windowOf(bounds, earlier)
  const { first, facts } = await extentOf(queries, window)
  const segments = segmentsBetween(first && first < periodStart ? first : periodStart, periodEnd, {
    subscriptions: await subscriptionsOf(queries, accountId),
    cuts: earlier.map((invoice) => invoice.periodEnd),
    before: await findPlan(queries, 'free', 1),
  })
  const usage = await usageBySegment(queries, window, segments)
  const invoiced = await invoicedBefore(queries, earlier)

  const lines = segments.flatMap((segment, index) => {
    const own = segment.start >= periodStart
    const used = usage[index]!
    return [...(own ? feeLines(segment, currency) : []), ...usageLines({ segment, currency, used, invoiced })]
  })
  const subtotal = lines.reduce((sum, { minor }) => sum + minor, 0n)
  const given = discounts(subtotal, await redemptionsOf(queries, accountId), { start: periodStart, end: periodEnd })
  const less = given.map(
    ({ code, minor }): NewLine => ({ kind: 'discount', facts: 0, quantity: 0n, minor: -minor, code }),
  )
  return { lines: [...lines, ...less], facts }
}

/** The window of facts of an invoice, given those before it. */
export function windowOf(
  { accountId, periodEnd, toSeq }: Pick<Bounds, 'accountId' | 'periodEnd' | 'toSeq'>,
  earlier: readonly Invoice[],
): Window {
  const last = earlier.at(-1)
  return { accountId, end: periodEnd, toSeq, before: last && { end: last.periodEnd, toSeq: last.toSeq } }
}

export function isBefore(invoice: Invoice, { periodEnd, toSeq }: Pick<Bounds, 'periodEnd' | 'toSeq'>): boolean {
  return invoice.periodEnd < periodEnd || (invoice.periodEnd.getTime() === periodEnd.getTime() && invoice.toSeq < toSeq)
}

function feeLines({ start, end, plan, share }: Segment, currency: string): NewLine[] {
  const minor = feeOf({ terms: plan.terms, currency, share })
  if (minor === 0n) return []
  return [{ kind: 'fee', plan, segment: { start, end }, facts: 0, quantity: share.ms, minor }]
}

function usageLines(given: {
  segment: Segment
  currency: string
  used: { facts: number; quantities: Quantities }
  invoiced: Map<string, { quantity: bigint; minor: bigint }>
}): NewLine[] {
  const { segment, currency, used, invoiced } = given
  const { start, end, plan, share } = segment
  return meterNames.flatMap((meter): NewLine[] => {
    const quantity = used.quantities[meter]
    if (quantity === 0n) return []
    const before = invoiced.get(lineKey(start, meter)) ?? { quantity: 0n, minor: 0n }
    const all = priceOfMeter(meter, before.quantity + quantity, { terms: plan.terms, currency, share })
    const minor = all - before.minor
    return [{ kind: 'usage', plan, segment: { start, end }, meter, facts: used.facts, quantity, minor }]
  })
}

async function invoicedBefore(
  queries: Queries,
  earlier: readonly Invoice[],
): Promise<Map<string, { quantity: bigint; minor: bigint }>> {
  const { rows } = await sql<{ segment_start: Date; meter: Meter; quantity: string; amount: string }>`
    select segment_start, meter, sum(quantity)::text as quantity, sum(amount)::text as amount from billing_lines
    where kind = 'usage' and invoice = any(${earlier.map(({ id }) => id)}::text[]) group by segment_start, meter`.execute(
    queries,
  )
  return new Map(
    rows.map(({ segment_start, meter, quantity, amount }) => [
      lineKey(segment_start, meter),
      { quantity: BigInt(quantity), minor: BigInt(amount) },
    ]),
  )
}

function lineKey(start: Date, meter: Meter): string {
  return `${start.toISOString()} ${meter}`
}
