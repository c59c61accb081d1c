import { sql } from 'kysely'
import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import { closeInterval } from './open-interval.ts'
import { readOpen } from './open-usage.ts'
import { readSamples } from './samples.ts'
import type { UsageAmounts, UsageQuery, UsageReport } from './usage.ts'

const monthMs = 30 * 86_400_000

const keys: Record<NonNullable<UsageQuery['group']>, string> = {
  none: `''`,
  kind: 'kind',
  subject: 'subject',
  template: `coalesce(attributes->>'template', '')`,
  state: `coalesce(attributes->>'state', '')`,
  hour: startOf('hour'),
  day: startOf('day'),
}

/** What an account used, put together from facts; and what it is using, of which there are none yet. */
export async function readUsage(db: Database, { id }: Account, query: UsageQuery): Promise<UsageReport> {
  const { group = 'none' } = query
  const to = query.to === undefined ? new Date() : timeOf('to', query.to)
  const from = query.from === undefined ? new Date(to.getTime() - monthMs) : timeOf('from', query.from)
  if (from > to) throw new WarrenError('invalid_request', 'from must not be after to')
  const { rows } = await sql<UsageAmounts & { key: string }>`
    select ${sql.raw(keys[group])} as key, count(*) as facts,
      coalesce(sum(extract(epoch from ended_at - started_at) * 1000), 0)::float8 as "durationMs",
      coalesce(sum(cpu_ms), 0)::float8 as "cpuMs", coalesce(sum(memory_mb_ms), 0)::float8 as "memoryMbMs",
      coalesce(sum(memory_held_mb_ms), 0)::float8 as "memoryHeldMbMs",
      coalesce(sum(disk_mb_ms), 0)::float8 as "diskMbMs", coalesce(sum(network_in_bytes), 0)::float8 as "networkInBytes",
      coalesce(sum(network_out_bytes), 0)::float8 as "networkOutBytes", coalesce(sum(gpu_ms), 0)::float8 as "gpuMs",
      coalesce(sum(model_input_tokens), 0)::float8 as "modelInputTokens",
      coalesce(sum(model_cached_tokens), 0)::float8 as "modelCachedTokens",
      coalesce(sum(model_output_tokens), 0)::float8 as "modelOutputTokens"
    from usage_facts where account_id = ${id} and ended_at > ${from} and ended_at <= ${to}
    group by 1 order by 1`.execute(db.kysely)
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    group,
    groups: group === 'none' ? [] : rows,
    total: rows.reduce(sum, nothing),
    open: await readOpenAmounts(db, id),
  }
}

function timeOf(name: string, text: string): Date {
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new WarrenError('invalid_request', `${name} must be a time such as 2026-01-31T00:00:00Z, not "${text}"`)
}

async function readOpenAmounts({ kysely }: Database, accountId: string): Promise<UsageAmounts> {
  const open = await readOpen(kysely, { accountId })
  const seen = await readSamples(kysely, [...open.keys()])
  const now = new Date()
  return [...open.values()]
    .flatMap((interval) => closeInterval(interval, seen.get(interval.subject), now).fact ?? [])
    .map(
      ({
        startedAt,
        endedAt,
        cpuMs = 0,
        memoryMbMs = 0,
        memoryHeldMbMs = 0,
        diskMbMs = 0,
        networkInBytes = 0,
        networkOutBytes = 0,
        gpuMs = 0,
      }) => {
        const durationMs = endedAt.getTime() - startedAt.getTime()
        const measured = { cpuMs, memoryMbMs, memoryHeldMbMs, diskMbMs, networkInBytes, networkOutBytes, gpuMs }
        return { ...nothing, facts: 1, durationMs, ...measured }
      },
    )
    .reduce(sum, nothing)
}

/** A fact that ends with the hour is of that hour, and not of the next. */
function startOf(unit: 'hour' | 'day'): string {
  const moment = `(ended_at - interval '1 millisecond') at time zone 'UTC'`
  return `to_char(date_trunc('${unit}', ${moment}), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
}

const nothing: UsageAmounts = {
  facts: 0,
  durationMs: 0,
  cpuMs: 0,
  memoryMbMs: 0,
  memoryHeldMbMs: 0,
  diskMbMs: 0,
  networkInBytes: 0,
  networkOutBytes: 0,
  gpuMs: 0,
  modelInputTokens: 0,
  modelCachedTokens: 0,
  modelOutputTokens: 0,
}

function sum(one: UsageAmounts, other: UsageAmounts): UsageAmounts {
  const names = Object.keys(nothing) as (keyof UsageAmounts)[]
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as UsageAmounts
}
