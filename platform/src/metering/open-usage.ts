import { type Selectable, sql, type Transaction } from 'kysely'
import type { RecordedEvent } from '../events/outbox.ts'
import type { Queries } from '../storage/database.ts'
import type { Tables, UsageOpenTable } from '../storage/tables.ts'
import { type ClockTurn, wasBefore } from './clock.ts'
import { intervalOfEvent } from './interval-of-event.ts'
import { closeInterval, nothingUntold, type OpenInterval, type Untold } from './open-interval.ts'
import { recordUsage } from './record-usage.ts'
import { readSamples, type Seen, tellSamples } from './samples.ts'
import type { UsageFact } from './usage-fact.ts'

/** Something of which only what it sends and receives is metered. */
export interface Egress {
  subject: string
  accountId: string
  resource: string
  attributes: Record<string, string>
}

/** The open intervals that one transaction changes, and the facts that come of it. Nothing lasts before `save`. */
export class OpenUsage {
  readonly #turn: number
  readonly #open: Map<string, OpenInterval>
  readonly #seen: Map<string, Seen>
  readonly #changed = new Set<string>()
  readonly #told = new Map<string, Untold>()
  readonly #facts: UsageFact[] = []

  private constructor(turn: number, open: Map<string, OpenInterval>, seen: Map<string, Seen>) {
    this.#turn = turn
    this.#open = open
    this.#seen = seen
  }

  /** Those of `subjects`, or all. */
  static async load(tx: Transaction<Tables>, turn: number, subjects: readonly string[] | 'all'): Promise<OpenUsage> {
    const open = await readOpen(tx, subjects)
    const seen = await readSamples(tx, subjects === 'all' ? [...open.keys()] : subjects)
    return new OpenUsage(turn, open, seen)
  }

  follow(event: RecordedEvent): void {
    const change = intervalOfEvent(event, this.#open.get(event.subject), this.#seen.get(event.subject))
    if (change) this.#close(event.subject, change.at, change.next)
  }

  /** The clock was set: what is open has lasted as long as before. */
  setClock(clock: ClockTurn): void {
    for (const open of this.#open.values()) {
      const isOlder =
        clock.jumpMs > 0 ? wasBefore(open.startedAt, clock) : open.turn < clock.turn || wasBefore(open.startedAt, clock)
      if (!isOlder) continue
      open.skewMs += clock.jumpMs
      this.#changed.add(open.subject)
    }
  }

  /** Closes what goes on at each full hour until `now`. One that runs was seen after that hour, or it waits until it is. */
  closeHours(now: Date): void {
    for (const { subject, state } of [...this.#open.values()]) {
      const seenAt = state === 'running' ? this.#seen.get(subject)?.at : now
      const until = Math.min(now.getTime(), seenAt?.getTime() ?? 0)
      for (;;) {
        const open = this.#open.get(subject)!
        const hour = nextHour(open.startedAt)
        if (hour > until) break
        this.#close(subject, new Date(hour), open)
      }
    }
  }

  /** Closes what was seen to have other limits than it began with. */
  closeLimits(): void {
    for (const open of [...this.#open.values()]) {
      const seen = this.#seen.get(open.subject)
      if (open.kind !== 'sandbox' || open.state !== 'running' || !seen || seen.at <= open.startedAt) continue
      const { memoryMb, diskMb } = seen.limits
      if (memoryMb === 0 || (memoryMb === open.memoryMb && diskMb === open.diskMb)) continue
      this.#close(open.subject, seen.at, { ...open, memoryMb, diskMb })
    }
  }

  /** Ends what of which only the network is metered and which is gone, when it was last seen. */
  closeEgress(isGone: (subject: string) => boolean): void {
    for (const { subject, kind, startedAt } of [...this.#open.values()])
      if (kind === 'egress' && isGone(subject))
        this.#close(subject, this.#seen.get(subject)?.at ?? startedAt, undefined)
  }

  #close(
    subject: string,
    at: Date,
    next: Omit<OpenInterval, 'number' | 'startedAt' | 'skewMs' | 'turn'> | undefined,
  ): void {
    const open = this.#open.get(subject)
    this.#changed.add(subject)
    if (open) {
      const seen = this.#seen.get(subject)
      const { fact, told, skewMs } = closeInterval(open, seen, at)
      if (fact) this.#facts.push(fact)
      this.#tell(subject, told)
      if (seen) seen.untold = less(seen.untold, told)
      if (next) this.#open.set(subject, { ...next, number: open.number + 1, startedAt: at, skewMs, turn: this.#turn })
      else this.#open.delete(subject)
    } else if (next) this.#open.set(subject, { ...next, number: 1, startedAt: at, skewMs: 0, turn: this.#turn })
  }

  #tell(subject: string, { cpuUsec, bytesIn, bytesOut, heldMbMs }: Untold): void {
    const before = this.#told.get(subject) ?? nothingUntold
    this.#told.set(subject, {
      cpuUsec: before.cpuUsec + cpuUsec,
      bytesIn: before.bytesIn + bytesIn,
      bytesOut: before.bytesOut + bytesOut,
      heldMbMs: before.heldMbMs + heldMbMs,
    })
  }

  async save(tx: Transaction<Tables>): Promise<void> {
    if (this.#facts.length > 0) await recordUsage(tx, this.#facts)
    await tellSamples(tx, this.#told)
    const ended = [...this.#changed].filter((subject) => !this.#open.has(subject))
    if (ended.length > 0) {
      await tx.deleteFrom('usage_open').where('subject', 'in', ended).execute()
      await tx.deleteFrom('usage_samples').where('subject', 'in', ended).execute()
    }
    const going = [...this.#changed].flatMap((subject) => this.#open.get(subject) ?? [])
    if (going.length > 0) await upsert(tx, going)
  }
}

function less(untold: Untold, told: Untold): Untold {
  return {
    cpuUsec: untold.cpuUsec - told.cpuUsec,
    bytesIn: untold.bytesIn - told.bytesIn,
    bytesOut: untold.bytesOut - told.bytesOut,
    heldMbMs: untold.heldMbMs - told.heldMbMs,
  }
}

const hourMs = 3_600_000

/** The first full hour after `at`, Unix milliseconds. */
function nextHour(at: Date): number {
  return (Math.floor(at.getTime() / hourMs) + 1) * hourMs
}

/** Subjects of what has an hour to be closed, was seen to have other limits than it began with, or may have no instance any more. */
export async function subjectsToClose(tx: Transaction<Tables>): Promise<string[]> {
  const { rows } = await sql<{ subject: string }>`select subject from usage_open open
    left join usage_samples seen using (subject)
    where started_at < date_trunc('hour', clock_timestamp()) or kind = 'egress'
      or (state = 'running' and seen.memory_mb > 0
        and (seen.memory_mb, seen.disk_mb) is distinct from (open.memory_mb, open.disk_mb))`.execute(tx)
  return rows.map(({ subject }) => subject)
}

export async function readOpen(
  queries: Queries,
  which: readonly string[] | 'all' | { accountId: string },
): Promise<Map<string, OpenInterval>> {
  if (Array.isArray(which) && which.length === 0) return new Map()
  let query = queries.selectFrom('usage_open').selectAll()
  if (Array.isArray(which)) query = query.where('subject', 'in', which as string[])
  else if (typeof which === 'object') query = query.where('account_id', '=', (which as { accountId: string }).accountId)
  return new Map((await query.execute()).map((row) => [row.subject, intervalOf(row)]))
}

/** Begins intervals of what no event tells of. */
export async function openIntervals(queries: Queries, subjects: readonly Egress[]): Promise<void> {
  const rows = subjects.map(({ subject, accountId, resource, attributes }) => ({
    ...{ subject, account_id: accountId, resource, attributes, kind: 'egress' as const, state: 'running' as const },
    ...{ number: 1, memory_mb: 0, disk_mb: 0, gpu: false, skew_ms: 0, turn: 0 },
  }))
  await sql`insert into usage_open select new.* from jsonb_array_elements(${JSON.stringify(rows)}::jsonb) row,
    jsonb_populate_record(null::usage_open, row || jsonb_build_object('started_at', clock_timestamp())) new
    on conflict (subject) do nothing`.execute(queries)
}

async function upsert(tx: Transaction<Tables>, intervals: readonly OpenInterval[]): Promise<void> {
  const rows = intervals.map((open) => ({
    subject: open.subject,
    account_id: open.accountId,
    kind: open.kind,
    state: open.state,
    number: open.number,
    started_at: open.startedAt,
    memory_mb: open.memoryMb,
    disk_mb: open.diskMb,
    gpu: open.gpu,
    attributes: open.attributes,
    skew_ms: open.skewMs,
    turn: open.turn,
    resource: open.resource ?? null,
  }))
  await sql`insert into usage_open select * from jsonb_populate_recordset(null::usage_open, ${JSON.stringify(rows)}::jsonb)
    on conflict (subject) do update set state = excluded.state, number = excluded.number, started_at = excluded.started_at,
      memory_mb = excluded.memory_mb, disk_mb = excluded.disk_mb, skew_ms = excluded.skew_ms, turn = excluded.turn`.execute(
    tx,
  )
}

function intervalOf(row: Selectable<UsageOpenTable>): OpenInterval {
  return {
    subject: row.subject,
    accountId: row.account_id,
    kind: row.kind,
    state: row.state,
    number: row.number,
    startedAt: row.started_at,
    memoryMb: row.memory_mb,
    diskMb: row.disk_mb,
    gpu: row.gpu,
    attributes: row.attributes,
    skewMs: row.skew_ms,
    turn: row.turn,
    resource: row.resource ?? undefined,
  }
}
