import { hash, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Selectable } from 'kysely'
import { WarrenError } from '../../errors.ts'
import { equalText } from '../../lib/equal-text.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { FunctionHooksTable } from '../../storage/tables.ts'
import { type FunctionRecord, most } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import { checkPayload } from '../invocations/check-payload.ts'
import { enqueue } from '../invocations/enqueue.ts'
import type { HttpInput } from '../invocations/invocation.ts'
import { type CreateHook, checkHook, defaultToleranceSeconds, type Hook, type HookScheme } from './hook.ts'
import { verifyDelivery } from './verify-delivery.ts'

const mostOfFunction = 20
const tokenBytes = 24
/** So long a delivery is known, however often its sender repeats it: GitHub and Stripe do for three days. */
const rememberedSeconds = 3 * 86_400

/** What comes to the address of a hook. */
export interface Received {
  headers: IncomingHttpHeaders
  body: Buffer
  http: HttpInput
}

/** Addresses at which others call functions: the one writer of their table. */
export class Hooks {
  readonly #deps: FunctionDeps

  constructor(deps: FunctionDeps) {
    this.#deps = deps
  }

  /** The token is the rest of an address that cannot be guessed; it is told here and never again. */
  async create(
    { id: functionId, accountId }: FunctionRecord,
    input: CreateHook,
  ): Promise<{ hook: Hook; token: string | undefined }> {
    checkHook(input)
    const { scheme = 'address', secrets = [], signatureHeader, idHeader, toleranceSeconds } = input
    await this.#secretsOf(accountId, secrets)
    if ((await this.#of(functionId).execute()).length >= mostOfFunction)
      throw new WarrenError('limit_exceeded', `a function has at most ${mostOfFunction} hooks`)
    const token = scheme === 'address' ? randomBytes(tokenBytes).toString('base64url') : undefined
    const values = {
      ...{ id: newId('h'), account_id: accountId, function_id: functionId, scheme, secrets: [...secrets] },
      ...{ signature_header: signatureHeader?.toLowerCase() ?? null, id_header: idHeader?.toLowerCase() ?? null },
      tolerance_seconds: toleranceSeconds ?? defaultToleranceSeconds,
      token_hash: token === undefined ? null : sha256(token),
      created_at: this.#deps.now(),
    }
    const insertion = this.#deps.db.kysely.insertInto('function_hooks').values(values).returningAll()
    const hook = toHook(await step('hook.create', values.id, () => insertion.executeTakeFirstOrThrow()))
    return { hook, token }
  }

  async list({ id }: FunctionRecord): Promise<Hook[]> {
    return (await this.#of(id).orderBy('created_at').execute()).map(toHook)
  }

  /** Throws `not_found` where the function has no such hook. */
  async remove({ id: functionId }: FunctionRecord, id: string): Promise<void> {
    const deletion = this.#deps.db.kysely
      .deleteFrom('function_hooks')
      .where('id', '=', id)
      .where('function_id', '=', functionId)
    const { numDeletedRows } = await step('hook.remove', id, () => deletion.executeTakeFirstOrThrow())
    if (numDeletedRows === 0n) throw new WarrenError('not_found', `there is no hook "${id.slice(0, 64)}"`)
  }

  /**
   * Takes a delivery: after this its call is made, once however often it is repeated. Throws `not_found` for an address that
   * there is not, `unauthenticated` for a delivery that is not genuine.
   */
  async receive(
    id: string,
    token: string | undefined,
    { headers, body, http }: Received,
  ): Promise<{ id: string; repeated: boolean }> {
    const { db, store, now } = this.#deps
    const row = await db.kysely.selectFrom('function_hooks').selectAll().where('id', '=', id).executeTakeFirst()
    const hook = row && toHook(row)
    const known = hook && fits(hook, token) && (await store.byId(hook.functionId))
    if (!known) throw new WarrenError('not_found', 'there is no hook at this address')
    checkPayload(body, most.keptBytes)
    const secrets = await this.#secretsOf(hook.accountId, hook.secrets).catch((cause) => {
      throw new WarrenError('unavailable', 'a secret of this hook cannot be had', { cause })
    })
    const delivery = verifyDelivery(hook, secrets, { headers, body, now: now() })
    const told: [string, string][] = [['x-warren-hook', id]]
    if (delivery !== undefined) told.push(['x-warren-delivery', delivery])
    const given = http.headers.filter(([name]) => !name.startsWith('x-warren-'))
    const { accountId, name } = known.record
    return enqueue(this.#deps, { id: accountId, name: '', maxSandboxes: 0 }, name, {
      payload: body,
      http: { ...http, headers: [...given, ...told] },
      trigger: 'webhook',
      // What has no name of its own is a delivery of its own.
      idempotency: { key: delivery ?? newId('d'), place: `hook/${id}`, seconds: rememberedSeconds },
    })
  }

  async #secretsOf(accountId: string, names: readonly string[]): Promise<string[]> {
    if (names.length === 0) return []
    const { resolveSecrets } = this.#deps
    if (!resolveSecrets) throw new WarrenError('unavailable', 'there are no secrets on this platform')
    return Object.values(await resolveSecrets(accountId, names))
  }

  #of(functionId: string) {
    return this.#deps.db.kysely.selectFrom('function_hooks').selectAll().where('function_id', '=', functionId)
  }
}

function fits({ tokenHash }: Hook, token: string | undefined): boolean {
  if (tokenHash === undefined) return token === undefined
  return token !== undefined && equalText(sha256(token), tokenHash)
}

/** A token is random and long: a plain hash cannot be guessed back. */
function sha256(token: string): string {
  return hash('sha256', token)
}

function toHook(row: Selectable<FunctionHooksTable>): Hook {
  return {
    ...{ id: row.id, accountId: row.account_id, functionId: row.function_id },
    ...{ scheme: row.scheme as HookScheme, secrets: row.secrets },
    ...{ signatureHeader: row.signature_header ?? undefined, idHeader: row.id_header ?? undefined },
    ...{ toleranceSeconds: row.tolerance_seconds, tokenHash: row.token_hash ?? undefined },
    createdAt: row.created_at,
  }
}
