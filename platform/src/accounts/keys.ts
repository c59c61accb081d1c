import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { KeysTable } from '../storage/tables.ts'
import { type Key, type KeyMask, keyPrefixes, maskOf } from './key.ts'

/** How long an answer of the database is taken for current, milliseconds: a key that another process took away works on so long. */
const freshMs = 5_000
/** At least this long lies between two records of when a key was used, milliseconds. */
const usedEveryMs = 60_000
/** Answers that are remembered at once. */
const mostRemembered = 10_000

/** The keys that were made beside the operator's: the one writer of their table, which holds their hashes. */
export class Keys {
  readonly #db: Database
  readonly #now: () => Date
  readonly #remembered = new Map<string, { key: Key; at: number }>()

  constructor({ db, now }: { db: Database; now: () => Date }) {
    this.#db = db
    this.#now = now
  }

  /** `secret` is what is shown to its owner, this once. */
  async create(accountId: string, { kind, name }: Pick<Key, 'kind' | 'name'>): Promise<{ key: Key; secret: string }> {
    const prefix = keyPrefixes[kind]
    const secret = prefix + randomBytes(20).toString('hex')
    const row = {
      id: randomUUID(),
      account_id: accountId,
      kind,
      name,
      hash: hashOf(secret),
      mask: JSON.stringify(maskOf(secret, prefix)),
      created_at: this.#now(),
      last_used_at: null,
    }
    const insertion = this.#db.kysely.insertInto('keys').values(row).returningAll()
    const made = await step('key.create', row.id, () => insertion.executeTakeFirstOrThrow())
    return { key: keyOf(made), secret }
  }

  /** Oldest first. */
  async list(accountId: string, kind: Key['kind']): Promise<Key[]> {
    const rows = await this.#db.kysely
      .selectFrom('keys')
      .selectAll()
      .where('account_id', '=', accountId)
      .where('kind', '=', kind)
      .orderBy('created_at')
      .orderBy('id')
      .execute()
    return rows.map(keyOf)
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

  /** From now on it is not known any more. False when the account has no such key. */
  async remove(accountId: string, { id, kind }: Pick<Key, 'id' | 'kind'>): Promise<boolean> {
    const deletion = this.#db.kysely
      .deleteFrom('keys')
      .where('id', '=', id)
      .where('kind', '=', kind)
      .where('account_id', '=', accountId)
      .returning('hash')
    const [removed] = await step('key.remove', id, () => deletion.execute())
    if (removed) this.#remembered.delete(removed.hash)
    return removed !== undefined
  }

  /** The key that was shown, if it is one. */
  async find(secret: string): Promise<Key | undefined> {
    if (!Object.values(keyPrefixes).some((prefix) => secret.startsWith(prefix))) return undefined
    const hash = hashOf(secret)
    const remembered = this.#remembered.get(hash)
    if (remembered && performance.now() - remembered.at < freshMs) return remembered.key
    this.#remembered.delete(hash)
    const row = await this.#db.kysely.selectFrom('keys').selectAll().where('hash', '=', hash).executeTakeFirst()
    if (!row) return undefined
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear()
    const key = keyOf(row)
    this.#remembered.set(hash, { key, at: performance.now() })
    await this.#tellUsed(key)
    return key
  }

  async #tellUsed({ id, lastUsedAt }: Key): Promise<void> {
    const now = this.#now()
    if (lastUsedAt && now.getTime() - lastUsedAt.getTime() < usedEveryMs) return
    const update = this.#db.kysely.updateTable('keys').set({ last_used_at: now }).where('id', '=', id)
    await step('key.use', id, () => update.execute())
  }
}

/** Keys are random and long: a plain hash cannot be guessed back. */
function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function keyOf(row: Selectable<KeysTable>): Key {
  return {
    id: row.id,
    accountId: row.account_id,
    kind: row.kind,
    name: row.name,
    mask: row.mask as KeyMask,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}
