import { sql, type Transaction } from 'kysely'
import { newId } from '../../lib/id.ts'
import type { Tables } from '../../storage/tables.ts'
import type { Trigger } from '../invocations/record.ts'

/** A call that follows from something, with the event that the function gets. */
export interface TriggeredCall {
  accountId: string
  functionId: string
  version: number
  event: object
  /** Not made before. Default: now. */
  dueAt?: Date
}

/** Recorded by one statement. */
const callsAtOnce = 1000

/** Puts these calls in the queue, in the transaction that records why. */
export async function insertCalls(
  tx: Transaction<Tables>,
  trigger: Trigger,
  calls: readonly TriggeredCall[],
): Promise<void> {
  for (let at = 0; at < calls.length; at += callsAtOnce) {
    const some = calls.slice(at, at + callsAtOnce)
    await sql`insert into function_invocations (id, account_id, function_id, version, trigger, state, payload, due_at, created_at)
      select id, account, function, version, ${trigger}, 'waiting', convert_to(payload, 'UTF8'), coalesce(due, now()), now()
      from unnest(${some.map(() => newId('c'))}::text[], ${some.map(({ accountId }) => accountId)}::text[],
        ${some.map(({ functionId }) => functionId)}::text[], ${some.map(({ version }) => version)}::int[],
        ${some.map(({ event }) => JSON.stringify(event))}::text[],
        ${some.map(({ dueAt }) => dueAt?.toISOString() ?? null)}::timestamptz[])
        as call (id, account, function, version, payload, due)`.execute(tx)
  }
}
