import type { Selectable, Transaction } from 'kysely'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { QuotaDefaults } from '../quotas/quota.ts'
import type { Database } from '../storage/database.ts'
import { holdStorage } from '../storage/hold-storage.ts'
import type { Tables, VolumesTable } from '../storage/tables.ts'
import type { Volume } from './volume.ts'

type Row = Selectable<VolumesTable>

/** The records of volumes: the one writer of their table. */
export class VolumeStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Before anything of it is on the disk. False when the account has one of that name; throws `limit_exceeded`. */
  reserve({ id, accountId, name, sizeMb, createdAt }: Volume, defaults: QuotaDefaults): Promise<boolean> {
    const values = { id, account_id: accountId, name, state: 'creating' as const, size_mb: sizeMb ?? null }
    return this.#change('volume.reserve', id, async (tx) => {
      await holdStorage(tx, { accountId, moreMb: sizeMb ?? 0, defaults })
      const { numInsertedOrUpdatedRows } = await tx
        .insertInto('volumes')
        .values({ ...values, created_at: createdAt })
        .onConflict((conflict) => conflict.columns(['account_id', 'name']).doNothing())
        .executeTakeFirstOrThrow()
      return numInsertedOrUpdatedRows === 1n
    })
  }

  markReady({ id, accountId, name, sizeMb }: Volume): Promise<void> {
    return this.#change('volume.ready', id, async (tx) => {
      await tx.updateTable('volumes').set({ state: 'ready' }).where('id', '=', id).execute()
      const size = sizeMb === undefined ? {} : { sizeMb }
      await appendEvent(tx, { type: 'volume.created', accountId, subject: id, data: { name, ...size } })
    })
  }

  /** Nobody can see it any more. False when another call deletes it already, or a sandbox has it. */
  markDeleting({ id, accountId, name }: Volume): Promise<boolean> {
    return this.#change('volume.delete', id, async (tx) => {
      const row = await tx
        .updateTable('volumes')
        .set({ state: 'deleting' })
        .where('id', '=', id)
        .where('state', '=', 'ready')
        .returning('id')
        .executeTakeFirst()
      if (row) await appendEvent(tx, { type: 'volume.deleted', accountId, subject: id, data: { name } })
      return row !== undefined
    })
  }

  /** Its files are gone. */
  async forget(id: string): Promise<void> {
    await step('volume.forget', id, () => this.#db.kysely.deleteFrom('volumes').where('id', '=', id).execute())
  }

  /** By id or by name. */
  async find(accountId: string, idOrName: string): Promise<Volume | undefined> {
    const row = await this.#ready(accountId)
      .where((is) => is.or([is('id', '=', idOrName), is('name', '=', idOrName)]))
      .orderBy((is) => is('id', '=', idOrName), 'desc')
      .executeTakeFirst()
    return row && toVolume(row)
  }

  /** By id alone, of whichever account. */
  async findAnywhere(id: string): Promise<Volume | undefined> {
    const query = this.#db.kysely.selectFrom('volumes').selectAll().where('id', '=', id).where('state', '=', 'ready')
    const row = await query.executeTakeFirst()
    return row && toVolume(row)
  }

  async list(accountId: string): Promise<Volume[]> {
    return (await this.#ready(accountId).orderBy('created_at', 'desc').orderBy('id').execute()).map(toVolume)
  }

  /** Of all accounts, in whatever state. */
  async all(): Promise<{ id: string; state: Row['state'] }[]> {
    return this.#db.kysely.selectFrom('volumes').select(['id', 'state']).execute()
  }

  #ready(accountId: string) {
    const query = this.#db.kysely.selectFrom('volumes').selectAll()
    return query.where('account_id', '=', accountId).where('state', '=', 'ready')
  }

  #change<T>(name: string, id: string, change: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return step(name, id, () => this.#db.kysely.transaction().execute(change))
  }
}

function toVolume(row: Row): Volume {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    sizeMb: row.size_mb ?? undefined,
    createdAt: row.created_at,
  }
}
