import type { Plan } from './plan.ts'

/** A stretch of time in one month in which one plan is in force and which one invoice bills first. */
export interface Segment {
  start: Date
  end: Date
  plan: Plan
  share: { ms: bigint; of: bigint }
}

export interface Subscription {
  since: Date
  plan: Plan
}

/**
 * The stretches from the beginning of the month of `from` until `to`: cut at months (UTC), at changes of the plan and at
 * `cuts`, the ends of the periods of invoices. They are the same whenever they are asked for, so that what comes late finds
 * the stretch it belongs to.
 */
export function segmentsBetween(
  from: Date,
  to: Date,
  { subscriptions, cuts, before }: { subscriptions: Subscription[]; cuts: Date[]; before: Plan },
): Segment[] {
  const start = monthOf(from)
  const months: Date[] = []
  for (let month = start; month < to; month = nextMonth(month)) months.push(month)
  const inside = [...cuts, ...subscriptions.map(({ since }) => since)].filter((cut) => cut > start && cut < to)
  const points = [...new Set([...months, ...inside, to].map((cut) => cut.getTime()))].sort((a, b) => a - b)
  return points.slice(1).map((end, index) => {
    const begin = new Date(points[index]!)
    const plan = subscriptions.findLast(({ since }) => since <= begin)?.plan ?? before
    const of = nextMonth(monthOf(begin)).getTime() - monthOf(begin).getTime()
    return { start: begin, end: new Date(end), plan, share: { ms: BigInt(end - begin.getTime()), of: BigInt(of) } }
  })
}

/** The beginning of the month it is in, UTC. */
export function monthOf(date: Date): Date {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1))
}

export function nextMonth(date: Date): Date {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1))
}
