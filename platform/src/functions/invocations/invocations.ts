import { WarrenError } from '../../errors.ts'
import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import type { AnswerHead, Failure } from './invocation.ts'

export const invocationStates = ['waiting', 'running', 'suspended', 'succeeded', 'failed'] as const
export type InvocationState = (typeof invocationStates)[number]

export interface Invocation {
  id: string
  functionId: string
  version: number
  trigger: string
  state: InvocationState
  /** How often it was made, going on after a suspension not counted. */
  attempt: number
  /** The call that made it. */
  parent: string | undefined
  result: Buffer | undefined
  /** What an answer that is more than JSON begins with; `result` is its body. */
  head: AnswerHead | undefined
  error: Failure | undefined
  log: string
  cold: boolean | undefined
  billedMs: number | undefined
  cpuMs: number | undefined
  createdAt: Date
  startedAt: Date | undefined
  endedAt: Date | undefined
}

interface Row {
  id: string
  function_id: string
  version: number
  trigger: string
  state: Invocation['state']
  attempt: number
  resumptions: number
  parent_id: string | null
  result: Buffer | null
  head: AnswerHead | null
  error: Failure | null
  log: string
  cold: boolean | null
  billed_ms: string | null
  cpu_ms: string | null
  created_at: Date
  started_at: Date | null
  ended_at: Date | null
}

const columns = `id, function_id, version, trigger, state, attempt, resumptions, parent_id, result, head, error, log, cold, billed_ms, cpu_ms, created_at, started_at, ended_at`

/** Throws `not_found` for what is not the account's. */
export async function findInvocation({ db }: { db: Database }, accountId: string, id: string): Promise<Invocation> {
  const { rows } = await db.pool.query<Row>({
    name: 'function-invocation',
    text: `select ${columns} from function_invocations where id = $1 and account_id = $2`,
    values: [id, accountId],
  })
  if (!rows[0]) throw new WarrenError('not_found', `there is no invocation "${id.slice(0, 64)}"`)
  return toInvocation(rows[0])
}

export interface ListInvocations {
  state?: Invocation['state'] | undefined
  /** Only those whose log has this text. */
  search?: string | undefined
  /** Only those that ended after that, oldest first: for following. */
  endedAfter?: Date | undefined
  /** Of those that ended at that very time, the ones behind this one. */
  afterId?: string | undefined
  limit: number
}

/** Newest first, or with `endedAfter` as they ended. */
export async function listInvocations(
  { db }: { db: Database },
  functionId: string,
  { state, search, endedAfter, afterId, limit }: ListInvocations,
): Promise<Invocation[]> {
  const { rows } = await db.pool.query<Row>(
    `select ${columns} from function_invocations where function_id = $1 and ($2::text is null or state = $2)
      and ($3::text is null or position($3 in log) > 0) and ($4::timestamptz is null or ended_at > $4 or (ended_at = $4 and id > $6))
      order by ${endedAfter ? 'ended_at, id' : 'created_at desc, id'} limit $5`,
    [functionId, state ?? null, search ?? null, endedAfter ?? null, limit, afterId ?? null],
  )
  return rows.map(toInvocation)
}

/** Deletes at most `most` calls that ended before that time and that no other waits for, with keys that have expired; answers how many calls. */
export async function forgetInvocations({ pool }: Pick<Database, 'pool'>, before: Date, most: number): Promise<number> {
  await step('function.forget_keys', 'expired', () =>
    pool.query(
      `delete from function_idempotency where ctid = any(array(select ctid from function_idempotency where expires_at < now() limit $1))`,
      [most],
    ),
  )
  await step('function.forget_trees', 'old', () =>
    pool.query(
      `delete from function_call_trees where root_id = any(array(select root_id from function_call_trees as tree where created_at < $1
        and not exists (select from function_invocations call where call.id = tree.root_id and call.ended_at is null) limit $2))`,
      [before, most],
    ),
  )
  const { rowCount } = await step('function.forget', 'oldest', () =>
    pool.query(
      `delete from function_invocations where id = any(array(
        select id from function_invocations as call where ended_at is not null and ended_at < $1
          and not exists (select from function_idempotency key where key.invocation_id = call.id and key.expires_at > now())
          and not exists (select from function_invocations parent where parent.id = call.parent_id and parent.ended_at is null)
          order by ended_at limit $2))`,
      [before, most],
    ),
  )
  return rowCount ?? 0
}

function toInvocation(row: Row): Invocation {
  return {
    id: row.id,
    functionId: row.function_id,
    version: row.version,
    trigger: row.trigger,
    state: row.state,
    attempt: row.attempt - row.resumptions,
    parent: row.parent_id ?? undefined,
    result: row.result ?? undefined,
    head: row.head ?? undefined,
    error: row.error ?? undefined,
    log: row.log,
    cold: row.cold ?? undefined,
    billedMs: row.billed_ms === null ? undefined : Number(row.billed_ms),
    cpuMs: row.cpu_ms === null ? undefined : Number(row.cpu_ms),
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  }
}
