import { sql, type Transaction } from 'kysely'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'
import type { LastSeen } from './interval-of-event.ts'
import type { Untold } from './open-interval.ts'

/** What was seen of a sandbox. A counter of another name than before began at 0. */
export interface Sample {
  subject: string
  /** When, by `performance.now()`. */
  atMs: number
  cpu: { counter: string; usec: number } | undefined
  /** What is charged to its control group. */
  heldBytes: number | undefined
  network: { counter: string; bytesIn: number; bytesOut: number } | undefined
  limits: { memoryMb: number; diskMb: number }
  /** `first`: what the counters show is not its own. `last`: it is about to be paused or ended. */
  moment: 'first' | 'running' | 'last'
}

/** When this process was started, by a clock that every process of a host has and nobody sets, milliseconds. */
const startedMs = Number(process.hrtime.bigint() / 1_000_000n) - performance.now()

const rise = (counter: string, name: string, total: string) => `old.${total} + case
      when new.${counter} is null then 0
      when new.${counter} = old.${counter} then greatest(0, new.${name} - old.${name})
      else new.${name} end`
const highest = (counter: string, name: string) => `case when new.${counter} is null then old.${name}
      when new.${counter} = old.${counter} then greatest(new.${name}, old.${name}) else new.${name} end`

/**
 * What it held since its interval began, or since it was last about to leave, where nothing was seen of it since: the platform was
 * killed before it recorded that.
 */
const heldUnseen = (
  sample: string,
  leavingAt: string,
) => `coalesce((select round(greatest(0, ${sample}.held_bytes / 1048576.0
      * (1000 * extract(epoch from ${sample}.at - greatest(started_at, ${leavingAt})) - skew_ms)))
      from usage_open where usage_open.subject = ${sample}.subject and state = 'running'), 0)`

/**
 * Between two looks at one control group the memory is taken to have gone straight from the one charge to the other, also while
 * nobody looked because the platform was away.
 */
const held = `old.held_total_mb_ms + case
      when old.leaving_at is null and new.cpu_counter = old.cpu_counter then coalesce(
        round((old.held_bytes + new.held_bytes) / 2097152.0 * greatest(0, new.held_at_ms - old.held_at_ms)), 0)
      else ${heldUnseen('new', 'old.leaving_at')} end`

/** With a name it is planned once for each connection: that takes longer than it does. */
const recording = {
  name: 'usage-sample',
  text: `
  insert into usage_samples as old (subject, at, leaving_at, cpu_counter, cpu_usec, cpu_total_usec, network_counter,
    bytes_in, bytes_in_total, bytes_out, bytes_out_total, memory_mb, disk_mb, held_bytes, held_at_ms,
    held_total_mb_ms)
  select *, ${heldUnseen('seen', 'started_at')} from (
    select subject, clock_timestamp() - age * interval '1 millisecond' as at,
      case when moment = 'last' then clock_timestamp() - age * interval '1 millisecond' end,
      cpu, usec, case when moment = 'first' then 0 else usec end, network,
      "in", case when moment = 'first' then 0 else "in" end, out, case when moment = 'first' then 0 else out end,
      memory, disk, held as held_bytes, held_at
    from jsonb_to_recordset($1::jsonb) as given(subject text, age float8, moment text, cpu text,
      usec bigint, network text, "in" bigint, out bigint, memory int, disk float8, held bigint, held_at bigint)
  ) seen
  on conflict (subject) do update set (at, leaving_at, cpu_counter, cpu_usec, cpu_total_usec, network_counter,
    bytes_in, bytes_in_total, bytes_out, bytes_out_total, memory_mb, disk_mb,
    held_total_mb_ms, held_bytes, held_at_ms) = (select new.at, new.leaving_at,
    coalesce(new.cpu_counter, old.cpu_counter),
    ${highest('cpu_counter', 'cpu_usec')}, ${rise('cpu_counter', 'cpu_usec', 'cpu_total_usec')},
    coalesce(new.network_counter, old.network_counter),
    ${highest('network_counter', 'bytes_in')}, ${rise('network_counter', 'bytes_in', 'bytes_in_total')},
    ${highest('network_counter', 'bytes_out')}, ${rise('network_counter', 'bytes_out', 'bytes_out_total')},
    new.memory_mb, new.disk_mb, ${held},
    coalesce(new.held_bytes, old.held_bytes), coalesce(new.held_at_ms, old.held_at_ms) from (select excluded.*) new)`,
}

/**
 * Records samples, of each sandbox one, in one statement: what the counters rose by is added to what they came to in all.
 */
export async function recordSamples({ pool }: Pick<Database, 'pool'>, samples: readonly Sample[]): Promise<void> {
  if (samples.length === 0) return
  const nowMs = performance.now()
  const rows = samples.map(({ subject, atMs, cpu, heldBytes, network, limits, moment }) => ({
    subject,
    age: nowMs - atMs,
    moment,
    cpu: cpu?.counter ?? null,
    usec: cpu?.usec ?? 0,
    network: network?.counter ?? null,
    in: network?.bytesIn ?? 0,
    out: network?.bytesOut ?? 0,
    memory: limits.memoryMb,
    disk: limits.diskMb,
    held: heldBytes ?? null,
    held_at: heldBytes === undefined ? null : Math.round(startedMs + atMs),
  }))
  const values = [JSON.stringify(rows)]
  await step('usage.sample', samples[0]!.subject, () => pool.query({ ...recording, values }))
}

export interface Seen extends LastSeen {
  untold: Untold
  /** What it held then. */
  heldMb: number
  limits: { memoryMb: number; diskMb: number }
}

/** What was last seen of these, and what of it no fact tells of. */
export async function readSamples(queries: Queries, subjects: readonly string[]): Promise<Map<string, Seen>> {
  if (subjects.length === 0) return new Map()
  const rows = await queries.selectFrom('usage_samples').selectAll().where('subject', 'in', subjects).execute()
  return new Map(
    rows.map((row) => [
      row.subject,
      {
        at: row.at,
        leavingAt: row.leaving_at ?? undefined,
        limits: { memoryMb: row.memory_mb, diskMb: row.disk_mb },
        heldMb: (row.held_bytes ?? 0) / 1024 / 1024,
        untold: {
          cpuUsec: row.cpu_total_usec - row.cpu_told_usec,
          bytesIn: row.bytes_in_total - row.bytes_in_told,
          bytesOut: row.bytes_out_total - row.bytes_out_told,
          heldMbMs: row.held_total_mb_ms - row.held_told_mb_ms,
        },
      },
    ]),
  )
}

/** Facts tell of so much more of each. */
export async function tellSamples(tx: Transaction<Tables>, told: ReadonlyMap<string, Untold>): Promise<void> {
  const rows = [...told]
    .filter(([, untold]) => Object.values(untold).some((amount) => amount > 0))
    .map(([subject, { cpuUsec, bytesIn, bytesOut, heldMbMs }]) => {
      return { subject, usec: cpuUsec, in: bytesIn, out: bytesOut, held: heldMbMs }
    })
  if (rows.length === 0) return
  await sql`update usage_samples set cpu_told_usec = cpu_told_usec + usec, bytes_in_told = bytes_in_told + "in",
      bytes_out_told = bytes_out_told + out, held_told_mb_ms = held_told_mb_ms + held
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as told(subject text, usec bigint, "in" bigint, out bigint, held bigint)
    where usage_samples.subject = told.subject`.execute(tx)
}

/** Of what has long ended: recorded while its end was. */
export async function forgetSamples(tx: Transaction<Tables>): Promise<void> {
  await sql`delete from usage_samples where at < clock_timestamp() - interval '1 day'
    and not exists (select from usage_open where usage_open.subject = usage_samples.subject)`.execute(tx)
}
