import { sql, type Transaction } from 'kysely'
import { step } from '../lib/step.ts'
import { type Database, type Queries, tellAfter } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'
import type { Event } from './event.ts'

/** A place in the outbox. It is kept by whoever reads. */
export interface Cursor {
  xid: string
  seq: number
}

export type RecordedEvent = Event & { at: Date; cursor: Cursor }

/** Before the first event. */
export const start: Cursor = { xid: '0', seq: 0 }

/** The name of an event that others know it by: rises from event to event as a feed has them. */
export function eventId({ xid, seq }: Cursor): string {
  return `${xid}-${seq}`
}

/** Undefined for what names no event. */
export function parseEventId(id: string): Cursor | undefined {
  const [, xid, seq] = /^(\d{1,19})-(\d{1,15})$/.exec(id) ?? []
  return xid === undefined ? undefined : { xid, seq: Number(seq) }
}

/** Of two places the one behind the other. */
export function later(one: Cursor, other: Cursor): Cursor {
  const difference = BigInt(one.xid) - BigInt(other.xid) || BigInt(one.seq - other.seq)
  return difference < 0n ? other : one
}

/** Where the outbox ends now. */
export async function endOfEvents({ pool }: Pick<Database, 'pool'>): Promise<Cursor> {
  const { xid, seq } = await lookAtEnd({ pool })
  return { xid, seq }
}

/** The same, and whether there are events behind it that cannot be read as long as an older transaction is open. */
export async function lookAtEnd({ pool }: Pick<Database, 'pool'>): Promise<Cursor & { isHeldBack: boolean }> {
  const { rows } = await pool.query<{ xid: string | null; seq: number | null; held: boolean }>({
    name: 'event-end',
    text: `select xid::text, seq, exists(select from events where xid >= pg_snapshot_xmin(pg_current_snapshot())) as held
      from (values (1)) one left join lateral (select xid, seq from events
        where xid < pg_snapshot_xmin(pg_current_snapshot()) order by xid desc, seq desc limit 1) last on true`,
  })
  const { xid, seq, held } = rows[0]!
  return { ...(xid === null || seq === null ? start : { xid, seq }), isHeldBack: held }
}

/** Records `event`. Call it in the transaction that makes it true: then both last or neither. */
export async function appendEvent(tx: Transaction<Tables>, event: Event): Promise<void> {
  const { type, accountId, subject, data } = event
  await tx
    .insertInto('events')
    .values({ type, account_id: accountId, subject, data: JSON.stringify(data) })
    .execute()
  tellAfter(tx)
}

/**
 * The same inside a statement that makes the change: SQL that records an event for each row of `rows`, a query of
 * type, account_id, subject and data. Call `Database.told` when it is done.
 */
export function appendEvents(rows: string): string {
  return `insert into events (type, account_id, subject, data) ${rows}`
}

/**
 * The next events after `after`, oldest first. Events of transactions that are still open are not passed by: reading stops
 * before the oldest of them, so each event is seen exactly once by a reader that goes on from the last cursor.
 */
export async function readEvents(
  queries: Queries,
  after: Cursor,
  limit = 100,
  only: {
    accountId?: string
    subject?: string | undefined
    types?: readonly string[] | undefined
    nouns?: readonly string[]
  } = {},
): Promise<RecordedEvent[]> {
  let query = queries.selectFrom('events').selectAll()
  if (only.accountId !== undefined) query = query.where('account_id', '=', only.accountId)
  if (only.subject !== undefined) query = query.where('subject', '=', only.subject)
  if (only.types) query = query.where('type', 'in', only.types)
  if (only.nouns) query = query.where(sql<boolean>`split_part(type, '.', 1) = any(${only.nouns})`)
  const rows = await query
    .where(sql<boolean>`(xid, seq) > (${after.xid}::xid8, ${after.seq}::bigint)`)
    .where(sql<boolean>`xid < pg_snapshot_xmin(pg_current_snapshot())`)
    .orderBy('xid')
    .orderBy('seq')
    .limit(limit)
    .execute()
  return rows.map(
    ({ type, account_id, subject, data, at, xid, seq }) =>
      ({ type, accountId: account_id, subject, data, at, cursor: { xid, seq } }) as RecordedEvent,
  )
}

/**
 * Deletes at most `most` events that were told before that time, the oldest first, but none that a consumer has yet to
 * read; answers how many.
 */
export async function forgetEvents({ pool }: Pick<Database, 'pool'>, before: Date, most: number): Promise<number> {
  const statement = {
    name: 'event-forget',
    // By the primary key, in which they are old first: looks at no more of them than it deletes.
    text: `delete from events where seq = any(array(select seq from
      (select seq, at, xid from events order by seq limit $2) oldest where at < $1
        and not exists (select from event_cursors read where (read.xid, read.seq) < (oldest.xid, oldest.seq))))`,
    values: [before, most],
  }
  const { rowCount } = await step('event.forget', 'oldest', () => pool.query(statement))
  return rowCount ?? 0
}
