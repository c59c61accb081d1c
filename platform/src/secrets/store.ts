import type { Selectable, Transaction } from 'kysely'
import { appendEvent } from '../events/outbox.ts'
import type { Seal } from '../lib/seal.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { SecretsTable, Tables } from '../storage/tables.ts'
import { mostSecrets, type RevealedSecret, type Secret, type UpdateSecret } from './secret.ts'

type Row = Selectable<SecretsTable>

/** The records of secrets: the one writer of their table, and the only place where values are sealed and opened. */
export class SecretStore {
  readonly #db: Database
  readonly #seal: Seal

  constructor({ db, seal }: { db: Database; seal: Seal }) {
    this.#db = db
    this.#seal = seal
  }

  /** Answers `taken` when the account has one of that name, `full` when it has as many as it may. */
  create(secret: Secret, value: string): Promise<'created' | 'taken' | 'full'> {
    const { id, accountId, name, version, hosts, metadata, createdAt, updatedAt } = secret
    return this.#change('secret.create', id, async (tx) => {
      const { count } = await tx
        .selectFrom('secrets')
        .select((is) => is.fn.countAll<string>().as('count'))
        .where('account_id', '=', accountId)
        .executeTakeFirstOrThrow()
      if (Number(count) >= mostSecrets) return 'full'
      const made = await tx
        .insertInto('secrets')
        .values({
          id,
          account_id: accountId,
          name,
          version,
          sealed: this.#seal.close(value, subjectOf(accountId, id)),
          hosts: JSON.stringify(hosts),
          metadata: JSON.stringify(metadata),
          created_at: createdAt,
          updated_at: updatedAt,
        })
        .onConflict((conflict) => conflict.columns(['account_id', 'name']).doNothing())
        .returning('id')
        .executeTakeFirst()
      if (!made) return 'taken'
      await appendEvent(tx, { type: 'secret.created', accountId, subject: id, data: { name, version } })
      return 'created'
    })
  }

  /** What is left out stays. Undefined when it is gone. */
  update(
    { id, accountId }: Secret,
    { value, hosts, metadata }: UpdateSecret,
    updatedAt: Date,
  ): Promise<Secret | undefined> {
    return this.#change('secret.update', id, async (tx) => {
      const row = await tx
        .updateTable('secrets')
        .set((is) => ({
          updated_at: updatedAt,
          ...(value === undefined
            ? {}
            : { sealed: this.#seal.close(value, subjectOf(accountId, id)), version: is('version', '+', 1) }),
          ...(hosts ? { hosts: JSON.stringify(hosts) } : {}),
          ...(metadata ? { metadata: JSON.stringify(metadata) } : {}),
        }))
        .where('account_id', '=', accountId)
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirst()
      if (!row) return undefined
      const { name, version } = row
      await appendEvent(tx, { type: 'secret.updated', accountId, subject: id, data: { name, version } })
      return toSecret(row)
    })
  }

  /** False when it is gone already. */
  remove({ id, accountId, name, version }: Secret): Promise<boolean> {
    return this.#change('secret.delete', id, async (tx) => {
      const row = await tx
        .deleteFrom('secrets')
        .where('account_id', '=', accountId)
        .where('id', '=', id)
        .returning('id')
        .executeTakeFirst()
      if (row) await appendEvent(tx, { type: 'secret.deleted', accountId, subject: id, data: { name, version } })
      return row !== undefined
    })
  }

  /** By id or by name. */
  async find(accountId: string, idOrName: string): Promise<Secret | undefined> {
    const row = await this.#of(accountId)
      .where((is) => is.or([is('id', '=', idOrName), is('name', '=', idOrName)]))
      .executeTakeFirst()
    return row && toSecret(row)
  }

  /** Newest first. */
  async list(accountId: string): Promise<Secret[]> {
    return (await this.#of(accountId).orderBy('created_at', 'desc').orderBy('id').execute()).map(toSecret)
  }

  /** Those of these names that there are. */
  async reveal(accountId: string, names: readonly string[]): Promise<RevealedSecret[]> {
    if (names.length === 0) return []
    const rows = await this.#of(accountId).where('name', 'in', names).execute()
    return rows.map((row) => {
      const { name, hosts } = toSecret(row)
      return { name, hosts, value: this.#seal.open(row.sealed, subjectOf(accountId, row.id)) }
    })
  }

  /** Seals anew what an older key sealed, so that that one can be taken away. */
  async reseal(): Promise<void> {
    const rows = await this.#db.kysely.selectFrom('secrets').select(['id', 'account_id', 'sealed']).execute()
    for (const { id, account_id, sealed } of rows) {
      if (this.#seal.isCurrent(sealed)) continue
      const subject = subjectOf(account_id, id)
      const update = this.#db.kysely
        .updateTable('secrets')
        .set({ sealed: this.#seal.close(this.#seal.open(sealed, subject), subject) })
        .where('id', '=', id)
        .where('sealed', '=', sealed)
      await step('secret.reseal', id, () => update.execute())
    }
  }

  #of(accountId: string) {
    return this.#db.kysely.selectFrom('secrets').selectAll().where('account_id', '=', accountId)
  }

  #change<T>(name: string, id: string, change: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return step(name, id, () => this.#db.kysely.transaction().execute(change))
  }
}

function subjectOf(accountId: string, id: string): string {
  return `secret ${accountId} ${id}`
}

function toSecret(row: Row): Secret {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    version: row.version,
    hosts: row.hosts,
    metadata: row.metadata,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
