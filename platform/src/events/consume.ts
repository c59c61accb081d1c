import type { Transaction } from 'kysely'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'
import { type RecordedEvent, readEvents, start } from './outbox.ts'

/** As many as one transaction handles. */
const batch = 500

/**
 * Hands the next events to `handle`, in the transaction that also records how far `consumer` has come: each event is
 * handled exactly once, whatever crashes. Of several processes one at a time. With `always` also when there is none.
 * Answers how many there were.
 */
export async function consume(
  db: Database,
  { consumer, always = false }: { consumer: string; always?: boolean },
  handle: (tx: Transaction<Tables>, events: RecordedEvent[]) => Promise<void>,
): Promise<number> {
  if (!always && (await isUpToDate(db, consumer))) return 0
  return step('events.consume', consumer, () =>
    db.transaction(async (tx) => {
      await tx
        .insertInto('event_cursors')
        .values({ consumer })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
      const cursor = tx.selectFrom('event_cursors').select(['xid', 'seq']).where('consumer', '=', consumer)
      const events = await readEvents(tx, await cursor.forUpdate().executeTakeFirstOrThrow(), batch)
      await handle(tx, events)
      const last = events.at(-1)?.cursor
      if (last) await tx.updateTable('event_cursors').set(last).where('consumer', '=', consumer).execute()
      return events.length
    }),
  )
}

/** Asked without writing, which is what happens most of the time. */
async function isUpToDate({ kysely }: Database, consumer: string): Promise<boolean> {
  const cursor = await kysely
    .selectFrom('event_cursors')
    .select(['xid', 'seq'])
    .where('consumer', '=', consumer)
    .executeTakeFirst()
  return (await readEvents(kysely, cursor ?? start, 1)).length === 0
}
