import { sql } from 'kysely'
import type { Queries } from '../storage/database.ts'
import { type Meter, meterNames, noQuantities, type Quantities } from './meter.ts'
import type { Segment } from './segments.ts'

/** The facts that ended before `end` and were written up to `toSeq`, without those that an invoice before took. */
export interface Window {
  accountId: string
  end: Date
  toSeq: number
  before: { end: Date; toSeq: number } | undefined
}

/** Where facts of a window are, as a condition on usage_facts. */
function inWindow({ accountId, end, toSeq, before }: Window) {
  const untaken = before ? sql`(ended_at >= ${before.end} or seq > ${before.toSeq})` : sql`true`
  return sql`account_id = ${accountId} and ended_at < ${end} and seq <= ${toSeq} and ${untaken}`
}

/** When the first fact of the window ended, and how many there are. */
export async function extentOf(queries: Queries, window: Window): Promise<{ first: Date | undefined; facts: number }> {
  const { rows } = await sql<{ first: Date | null; facts: number }>`
    select min(ended_at) as first, count(*) as facts from usage_facts where ${inWindow(window)}`.execute(queries)
  return { first: rows[0]!.first ?? undefined, facts: rows[0]!.facts }
}

/** How much of each meter there is in each segment, with the number of facts: counted where the facts are. */
export async function usageBySegment(
  queries: Queries,
  window: Window,
  segments: readonly Segment[],
): Promise<{ facts: number; quantities: Quantities }[]> {
  const found = segments.map(() => ({ facts: 0, quantities: noQuantities() }))
  const { rows } = await sql<{ segment: number; facts: number } & Record<Meter, string>>`
    with segments (segment, start, stop, minimum) as (select ordinality - 1, start, stop, minimum from unnest(
      ${segments.map(({ start }) => start.toISOString())}::timestamptz[],
      ${segments.map(({ end }) => end.toISOString())}::timestamptz[],
      ${segments.map(({ plan }) => plan.terms.minimumMs)}::bigint[]) with ordinality as s (start, stop, minimum, ordinality))
    select segment, ${sums('minimum')}
    from segments join usage_facts on ended_at >= start and ended_at < stop
    where ${inWindow(window)} group by segment`.execute(queries)
  for (const row of rows) found[row.segment] = { facts: row.facts, quantities: toQuantities(row) }
  return found
}

export interface UsageOfSubject {
  kind: string
  subject: string
  facts: number
  quantities: Quantities
}

/** The same of each resource that used something, the ones with the most time first. */
export async function usageBySubject(
  queries: Queries,
  window: Window,
  { limit, after }: { limit: number; after: number },
): Promise<UsageOfSubject[]> {
  const { rows } = await sql<{ kind: string; subject: string; facts: number } & Record<Meter, string>>`
    select kind, subject, ${sums('0')} from usage_facts where ${inWindow(window)} group by kind, subject
    order by sum(ended_at - started_at) desc, kind, subject limit ${limit} offset ${after}`.execute(queries)
  return rows.map((row) => ({ kind: row.kind, subject: row.subject, facts: row.facts, quantities: toQuantities(row) }))
}

function sums(minimum: string) {
  const lasted = `greatest((extract(epoch from ended_at - started_at) * 1000)::bigint, ${minimum})`
  const time = (kind: string) => `coalesce(sum(${lasted}) filter (where kind = '${kind}'), 0)::text as "${kind}.time"`
  const columns = {
    cpu: 'cpu_ms',
    memory: 'memory_mb_ms',
    'memory.held': 'memory_held_mb_ms',
    disk: 'disk_mb_ms',
    'network.in': 'network_in_bytes',
    'network.out': 'network_out_bytes',
    gpu: 'gpu_ms',
    'model.input': 'model_input_tokens',
    'model.cached': 'model_cached_tokens',
    'model.output': 'model_output_tokens',
  }
  return sql.raw(
    [
      'count(*) as facts',
      ...['sandbox', 'function', 'agent'].map(time),
      ...Object.entries(columns).map(([meter, column]) => `sum(${column})::text as "${meter}"`),
    ].join(', '),
  )
}

function toQuantities(row: Record<Meter, string>): Quantities {
  return Object.fromEntries(meterNames.map((meter) => [meter, BigInt(row[meter])])) as Quantities
}
