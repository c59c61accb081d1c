import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import { isDuplicate } from './is-duplicate.ts'
import type { Keys } from './keys.ts'
import type { Principal } from './principal.ts'
import { authorizeGrant, type Role } from './roles.ts'

export interface ServiceAccount {
  id: string
  name: string
  role: Role
  createdBy: string
  createdAt: Date
}

interface Deps {
  db: Database
  now: () => Date
  keys: Keys
}

/** Programs that are members: their keys may what they may, and go with them. The one writer of the table. */
export class ServiceAccounts {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Throws `conflict` where the organisation has one of that name, `forbidden` for a role beyond that of who makes it. */
  async create(principal: Principal, { name, role }: { name: string; role: Role }): Promise<ServiceAccount> {
    authorizeGrant(principal, { role, scopes: undefined })
    const { accountId, id: createdBy } = principal
    const row = {
      id: newId('svc'),
      account_id: accountId,
      name,
      role,
      created_by: createdBy,
      created_at: this.#deps.now(),
    }
    const insertion = this.#deps.db.kysely.insertInto('service_accounts').values(row)
    await step('service_account.create', row.id, () => insertion.execute()).catch((cause) => {
      if (!isDuplicate(cause)) throw cause
      throw new WarrenError('conflict', `there is a service account "${name}" already`, { cause })
    })
    return { id: row.id, name, role, createdBy, createdAt: row.created_at }
  }

  /** Oldest first. */
  async list(accountId: string): Promise<ServiceAccount[]> {
    const query = this.#deps.db.kysely.selectFrom('service_accounts').selectAll().where('account_id', '=', accountId)
    const rows = await query.orderBy('created_at').execute()
    return rows.map(({ id, name, role, created_by, created_at }) => ({
      id,
      name,
      role,
      createdBy: created_by,
      createdAt: created_at,
    }))
  }

  /** Throws `not_found` where the organisation has none such. */
  async get(accountId: string, id: string): Promise<ServiceAccount> {
    const found = (await this.list(accountId)).find((one) => one.id === id || one.name === id)
    if (found) return found
    throw new WarrenError('not_found', `there is no service account "${id.slice(0, 64)}"`)
  }

  /** With its keys. */
  async remove(accountId: string, id: string): Promise<void> {
    const { id: found } = await this.get(accountId, id)
    const { db, keys } = this.#deps
    await step('service_account.remove', found, () =>
      db.transaction(async (tx) => {
        await keys.removeOf(tx, found)
        await tx.deleteFrom('service_accounts').where('id', '=', found).where('account_id', '=', accountId).execute()
      }),
    )
    keys.forgetAll()
  }
}
