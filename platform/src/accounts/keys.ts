import { randomBytes, randomUUID } from 'node:crypto'
import { type Selectable, sql, type Transaction } from 'kysely'
import { appendEvent } from '../events/outbox.ts'
import { FreshCache } from '../lib/fresh-cache.ts'
import { GatheredReads } from '../lib/gathered-reads.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { KeysTable, Tables } from '../storage/tables.ts'
import { freshMs, patienceMs } from './fresh.ts'
import { type Key, type KeyMask, keyPrefixes, maskOf } from './key.ts'
import { digestOf } from './key-digest.ts'
import type { Permission } from './roles.ts'

/** At least this long lies between two records of when a key was used, milliseconds. */
const usedEveryMs = 60_000

/** What is random of a key, bytes. */
const secretBytes = 20
const isKey = new RegExp(`^(?:${Object.values(keyPrefixes).join('|')})[0-9a-f]{${2 * secretBytes}}$`)

type NewKey = Pick<Key, 'kind' | 'name'> &
  Partial<Pick<Key, 'role' | 'scopes' | 'expiresAt' | 'createdBy' | 'serviceId'>>

/** The keys that were made beside the operator's: the one writer of their table, which holds their hashes. */
export class Keys {
  readonly #db: Database
  readonly #now: () => Date
  readonly #tookAway: () => void
  readonly #remembered = new FreshCache<Key>({ freshMs, patienceMs, most: 10_000 })
  /** What nobody knows is asked for each time, so a flood of it must be few questions, and leave the database to others. */
  readonly #gathered = new GatheredReads<Key>(async (hashes) => {
    const rows = await this.#withRole().where(sql<boolean>`keys.hash = any(${hashes}::text[])`).execute()
    return new Map(rows.map((row) => [row.hash, keyOf(row)]))
  })

  constructor({ db, now, tookAway = () => {} }: { db: Database; now: () => Date; tookAway?: () => void }) {
    this.#db = db
    this.#now = now
    this.#tookAway = tookAway
  }

  /** `secret` is what is shown to its owner, this once. Without a role a key is a developer's and a token an admin's. */
  async create(accountId: string, wanted: NewKey): Promise<{ key: Key; secret: string }> {
    const { kind, name, scopes } = wanted
    const prefix = keyPrefixes[kind]
    const secret = prefix + randomBytes(secretBytes).toString('hex')
    const row = {
      id: randomUUID(),
      account_id: accountId,
      kind,
      name,
      hash: digestOf(secret).text,
      mask: JSON.stringify(maskOf(secret, prefix)),
      created_at: this.#now(),
      last_used_at: null,
      role: wanted.role ?? usualRole[kind],
      scopes: scopes ? JSON.stringify(scopes) : null,
      expires_at: wanted.expiresAt ?? null,
      created_by: wanted.createdBy ?? null,
      service_id: wanted.serviceId ?? null,
    }
    const key = await step('key.create', row.id, () =>
      this.#db.transaction(async (tx) => {
        const made = keyOf(await tx.insertInto('keys').values(row).returningAll().executeTakeFirstOrThrow())
        await appendEvent(tx, { type: 'key.created', ...toldOf(made) })
        return made
      }),
    )
    return { key, secret }
  }

  /** Oldest first; of one kind, or all. */
  async list(accountId: string, kind?: Key['kind']): Promise<Key[]> {
    let query = this.#withRole().where('keys.account_id', '=', accountId)
    if (kind) query = query.where('keys.kind', '=', kind)
    return (await query.orderBy('keys.created_at').orderBy('keys.id').execute()).map(keyOf)
  }

  /** False when the account has no such key. */
  async rename(accountId: string, id: string, name: string): Promise<boolean> {
    const update = this.#db.kysely
      .updateTable('keys')
      .set({ name })
      .where('id', '=', id)
      .where('account_id', '=', accountId)
      .returning('id')
    return (await step('key.rename', id, () => update.execute())).length > 0
  }

  /** From now on it is not known any more; to other processes after a second. False when the account has no such key. */
  async remove(accountId: string, { id, kind }: { id: string; kind?: Key['kind'] }): Promise<boolean> {
    const removed = await step('key.remove', id, () =>
      this.#db.transaction(async (tx) => {
        let deletion = tx.deleteFrom('keys').where('id', '=', id).where('account_id', '=', accountId)
        if (kind) deletion = deletion.where('kind', '=', kind)
        const row = await deletion.returningAll().executeTakeFirst()
        if (row) await appendEvent(tx, { type: 'key.revoked', ...toldOf(keyOf(row)) })
        return row
      }),
    )
    if (!removed) return false
    this.#remembered.forget(removed.hash)
    this.#tookAway()
    return true
  }

  /** All of a service account. Call it in the transaction that removes that, and `forgetAll` after it. */
  async removeOf(tx: Transaction<Tables>, serviceId: string): Promise<void> {
    const rows = await tx.deleteFrom('keys').where('service_id', '=', serviceId).returningAll().execute()
    for (const row of rows) await appendEvent(tx, { type: 'key.revoked', ...toldOf(keyOf(row)) })
  }

  /** The key that was shown, if it is one; it may have expired. */
  find(secret: string): Promise<Key | undefined> {
    if (!isKey.test(secret)) return Promise.resolve(undefined)
    const hash = digestOf(secret).text
    return this.#remembered.get(hash, async () => {
      const key = await this.#gathered.get(hash)
      if (key) await this.#tellUsed(key)
      return key
    })
  }

  /** What is remembered may be wrong: those of a service account went with it. */
  forgetAll(): void {
    this.#remembered.clear()
    this.#tookAway()
  }

  /** The role of a key of a service account is what that has now. */
  #withRole() {
    return this.#db.kysely
      .selectFrom('keys')
      .leftJoin('service_accounts', 'service_accounts.id', 'keys.service_id')
      .selectAll('keys')
      .select(sql<Key['role']>`coalesce(service_accounts.role, keys.role)`.as('role'))
  }

  async #tellUsed({ id, lastUsedAt }: Key): Promise<void> {
    const now = this.#now()
    if (lastUsedAt && now.getTime() - lastUsedAt.getTime() < usedEveryMs) return
    const update = this.#db.kysely.updateTable('keys').set({ last_used_at: now }).where('id', '=', id)
    await step('key.use', id, () => update.execute())
  }
}

function toldOf({ id, accountId, kind, name, role, serviceId }: Key) {
  return { accountId, subject: id, data: { kind, name, role, ...(serviceId ? { serviceAccountId: serviceId } : {}) } }
}

const usualRole = { key: 'developer', token: 'admin' } as const

function keyOf(row: Selectable<KeysTable>): Key {
  return {
    id: row.id,
    accountId: row.account_id,
    kind: row.kind,
    name: row.name,
    mask: row.mask as KeyMask,
    role: row.role,
    scopes: (row.scopes as Permission[] | null) ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    createdBy: row.created_by ?? undefined,
    serviceId: row.service_id ?? undefined,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}
