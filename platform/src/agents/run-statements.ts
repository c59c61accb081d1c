import { CompiledQuery } from 'kysely'
import type { Event } from '../events/event.ts'
import { appendEvents } from '../events/outbox.ts'
import type { RecordUsage, UsageFact } from '../metering/usage-fact.ts'
import type { Database, Queries } from '../storage/database.ts'
import { entryColumns, JournalStore, type Row } from './journal/journal-store.ts'
import type { Run, RunRow } from './run.ts'

/*
 * What every run does, as one statement each that a connection prepares once: the row, its entries, what is told and what is counted
 * are written together, without a transaction around them unless there is more to it.
 */

interface Statement {
  name: string
  text: string
  values: unknown[]
}

/** Performs a statement within a transaction, or as one of its own. Answers the rows. */
export type Perform = <T>(statement: Statement) => Promise<T[]>

export function performBy({ pool }: Pick<Database, 'pool'>): Perform {
  return async <T>(statement: Statement) => (await pool.query(statement)).rows as T[]
}

export function performWithin(tx: Queries): Perform {
  return async <T>({ text, values }: Statement) => (await tx.executeQuery<T>(CompiledQuery.raw(text, values))).rows
}

const entriesOf = (parameter: string, runs: string) =>
  `insert into agent_entries (run_id, seq, at, type, data)
     select g.run_id, g.seq, g.at, g.type, g.data from json_to_recordset(${parameter}::json) as g(${entryColumns})
     join ${runs} r on r.id = g.run_id`

const creation = `with created as (
    insert into agent_runs (id, account_id, agent, conversation, state, root_id, parent_id, once_key, usage, created_at)
      values ($1, $2, $3, $4, 'queued', $5, $6, $7, coalesce($8::jsonb, '{}'), $9)
      on conflict (account_id, once_key) do nothing returning id),
  added as (${entriesOf('$10', 'created')}),
  told as (${appendEvents('select $11::text, $2::text, $1::text, $12::jsonb from created')})
  select id from created`

/** Its row, the beginning of its journal and what is told of it. Answers nothing where another one has its key. */
export function createStatement(
  row: Omit<RunRow, 'learned'>,
  { rows, event }: { rows: readonly Row[]; event: Event },
): Statement {
  const { id, account_id, agent, conversation, root_id, parent_id, once_key, usage, created_at } = row
  const its = [id, account_id, agent, conversation, root_id, parent_id, once_key, usage && JSON.stringify(usage)]
  const values = [...its, created_at, JournalStore.json(rows), event.type, JSON.stringify(event.data)]
  return { name: 'agent-create', text: creation, values }
}

const settlement = (usage: string) => `with settled as (
    update agent_runs set state = $3, reason = $4, result = $5, steps = $6, usage = $7, holder = null, lease_until = null, ended_at = $8
      where id = $1 and fence = $2 returning id, account_id),
  added as (${entriesOf('$9', 'settled')}),
  used as (${usage}),
  told as (${appendEvents('select $10::text, account_id, id, $11::jsonb from settled')})
  select id from settled`
const settlements = new WeakMap<RecordUsage, string>()

/** What became of it, its last entries, what it used and what is told of it. Answers nothing where somebody else holds it. */
export function settleStatement(
  run: Pick<Run, 'id' | 'fence' | 'state' | 'reason' | 'result' | 'steps' | 'usage' | 'endedAt'>,
  more: { rows: readonly Row[]; event: Event; recordUsage: RecordUsage; facts: readonly UsageFact[] },
): Statement {
  const { id, fence, state, reason = null, result, steps, usage, endedAt = null } = run
  const { rows, event, recordUsage, facts } = more
  let text = settlements.get(recordUsage)
  if (!text) {
    text = settlement(recordUsage.within('$12', 'exists (select from settled)'))
    settlements.set(recordUsage, text)
  }
  const its = [id, fence, state, reason, JSON.stringify(result), steps, JSON.stringify(usage), endedAt]
  const values = [...its, JournalStore.json(rows), event.type, JSON.stringify(event.data), recordUsage.json(facts)]
  return { name: 'agent-settle', text, values }
}

/** Answers the row that is held from now on. */
export function claimStatement({ id, holder, now, until }: { id: string; holder: string; now: Date; until: Date }) {
  const text = `update agent_runs set state = 'running', holder = $2, lease_until = $4, fence = fence + 1
    where id = $1 and state in ('queued', 'running') and (holder is null or holder = $2 or lease_until < $3) returning *`
  return { name: 'agent-claim', text, values: [id, holder, now, until] }
}
