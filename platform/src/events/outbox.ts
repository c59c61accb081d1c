import { sql } from 'kysely'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
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

/** Where the outbox ends now. */
export async function endOfEvents(queries: Queries): Promise<Cursor> {
  const last = await queries
    .selectFrom('events')
    .select(['xid', 'seq'])
    .where(sql<boolean>`xid < pg_snapshot_xmin(pg_current_snapshot())`)
    .orderBy('xid', 'desc')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last ?? start
}

/** Records `event`. Call it in the transaction that makes it true: then both last or neither. */
export async function appendEvent(tx: Queries, event: Event): Promise<void> {
  const { type, accountId, subject, data } = event
  await tx
    .insertInto('events')
    .values({ type, account_id: accountId, subject, data: JSON.stringify(data) })
    .execute()
}

/**
 * The same inside a statement that makes the change: SQL that records an event for each row of `rows`, a query of
 * type, account_id, subject and data.
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
  only: { accountId?: string; subject?: string | undefined; types?: readonly string[] | undefined } = {},
): Promise<RecordedEvent[]> {
  let query = queries.selectFrom('events').selectAll()
  if (only.accountId !== undefined) query = query.where('account_id', '=', only.accountId)
  if (only.subject !== undefined) query = query.where('subject', '=', only.subject)
  if (only.types) query = query.where('type', 'in', only.types)
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
