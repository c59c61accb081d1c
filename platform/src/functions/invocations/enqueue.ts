import { createHash } from 'node:crypto'
import type { Account } from '../../accounts/account.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import { chooseVersion } from '../choose-version.ts'
import { most } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import { traceOfRequest } from './call-trace.ts'
import { checkPayload } from './check-payload.ts'
import type { HttpInput } from './invocation.ts'
import type { Trigger } from './record.ts'

export interface Enqueue {
  payload: Buffer
  /** The request that it comes by, which only a call with a key has. */
  http?: HttpInput | undefined
  qualifier?: string | undefined
  traceparent?: string | undefined
  trigger?: Trigger
  /** Within its scope a key stands for one call, for so long. Default scope: the function. */
  idempotency?:
    | {
        key: string
        scope?: string | undefined
        /** Instead of a scope that a caller names: where of the function it came in. */
        place?: string
        seconds?: number | undefined
      }
    | undefined
  /** How often it is made again, instead of what the function says. */
  retries?: number
}

/** How long a key is remembered where nobody says, seconds. */
const keySeconds = 86_400

/** Puts a call in the queue: after this it is made, whatever becomes of the platform. `repeated` where its key had been there. */
export async function enqueue(
  deps: FunctionDeps,
  account: Account,
  name: string,
  { payload, http, qualifier, trigger = 'async', idempotency, retries, traceparent }: Enqueue,
): Promise<{ id: string; repeated: boolean }> {
  checkPayload(payload, most.keptBytes)
  const known = await deps.store.get(account.id, name)
  const { version } = chooseVersion(known, qualifier)
  const { record } = known
  const id = newId('c')
  const now = deps.now()
  const traced = traceOfRequest(traceparent)
  const more = {
    ...(retries === undefined ? {} : { retries }),
    ...(traced === undefined ? {} : { traceparent: traced }),
  }
  const row = { id, accountId: account.id, functionId: record.id, version, trigger, payload, more, now }
  if (!idempotency) {
    deps.mayStart(account.id)
    await deps.batch.add(row)
    deps.dispatcher.wake()
    return { id, repeated: false }
  }
  const { place } = idempotency
  const scope = place === undefined ? scopeOf(record.id, idempotency.scope, http) : `${record.id}/${place}`
  const repeated = await refusedUnlessRepeated(deps, account.id, { scope, key: idempotency.key, now })
  if (repeated !== undefined) return { id: repeated, repeated: true }
  const expiresAt = new Date(now.getTime() + (idempotency.seconds ?? keySeconds) * 1000)
  const statement = {
    name: 'function-enqueue-once',
    text: `with claimed as (
        insert into function_idempotency (account_id, scope, key, invocation_id, expires_at) values ($1, $2, $3, $4, $5)
        on conflict (account_id, scope, key) do update set invocation_id = excluded.invocation_id, expires_at = excluded.expires_at
          where function_idempotency.expires_at <= $6
        returning invocation_id
      ), made as (
        insert into function_invocations (id, account_id, function_id, version, trigger, state, payload, retry, http, due_at, created_at)
        select invocation_id, $1, $7, $8, $9, 'waiting', $10, $11::jsonb, $12::jsonb, $6, $6 from claimed
      )
      select invocation_id as id, false as repeated from claimed
      union all
      select invocation_id, true from function_idempotency
        where account_id = $1 and scope = $2 and key = $3 and not exists (select from claimed)`,
    values: [
      account.id,
      scope,
      idempotency.key,
      id,
      expiresAt,
      now,
      record.id,
      version,
      trigger,
      payload,
      JSON.stringify(more),
      http ? JSON.stringify(http) : null,
    ],
  }
  for (;;) {
    const { rows } = await step('function.enqueue', id, () =>
      deps.db.pool.query<{ id: string; repeated: boolean }>(statement),
    )
    // Where another call with the key was recorded in the same moment, it is seen at the second look.
    if (!rows[0]) continue
    if (!rows[0].repeated) deps.dispatcher.wake()
    return rows[0]
  }
}

/** The call that the key stands for already, where no other may be made: what was made is answered to whoever asks again. */
async function refusedUnlessRepeated(
  { db, stopped, mayStart }: FunctionDeps,
  accountId: string,
  { scope, key, now }: { scope: string; key: string; now: Date },
): Promise<string | undefined> {
  if (!stopped().includes(accountId)) return undefined
  const { rows } = await db.pool.query<{ id: string }>(
    `select invocation_id as id from function_idempotency
      where account_id = $1 and scope = $2 and key = $3 and expires_at > $4`,
    [accountId, scope, key, now],
  )
  if (!rows[0]) mayStart(accountId)
  return rows[0]?.id
}

/** At a URL the same key stands for another call where the method or the path is another. */
function scopeOf(functionId: string, scope: string | undefined, http: HttpInput | undefined): string {
  if (scope !== undefined) return `scope/${scope}`
  if (!http) return functionId
  const place = `${http.method} ${new URL(http.url).pathname}`
  return `${functionId}/${createHash('sha256').update(place).digest('hex')}`
}
