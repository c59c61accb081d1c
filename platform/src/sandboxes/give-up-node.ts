import { appendEvents } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'

/** Makes everything that a lost worker had `failed`, with the reason `lost`, and the platform's own to clean up. Answers how many. */
export async function giveUpNode(db: Pick<Database, 'pool' | 'told'>, node: string): Promise<number> {
  const text = `with given_up as (update sandboxes set node = null, end_reason = coalesce(end_reason, 'lost'),
        state = case when state = 'stopping' then state else 'failed' end
      where node = $1 and ended_at is null returning *),
    told as (${appendEvents(`select 'sandbox.failed', account_id, id, jsonb_build_object('reason', 'lost')
      from given_up where state = 'failed'`)})
    select count(*)::int as count from given_up`
  const { rows } = await step('sandbox.give_up', node, () => db.pool.query<{ count: number }>(text, [node]))
  db.told()
  return rows[0]!.count
}
