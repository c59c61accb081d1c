import { type Selectable, sql, type Transaction } from 'kysely'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { QuotaDefaults } from '../quotas/quota.ts'
import type { Database } from '../storage/database.ts'
import { holdStorage } from '../storage/hold-storage.ts'
import type { SnapshotsTable, Tables } from '../storage/tables.ts'
import type { Limits } from './sandbox.ts'
import type { Snapshot } from './snapshot.ts'

/** The records of snapshots: the one writer of their table. */
export class SnapshotRecords {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Before anything of it is on the disk. Throws `limit_exceeded` when the account has used up its disk. */
  async reserve(
    given: Pick<Snapshot, 'id' | 'accountId' | 'name' | 'sandboxId' | 'createdAt'>,
    defaults: QuotaDefaults,
  ): Promise<void> {
    const row = {
      id: given.id,
      account_id: given.accountId,
      name: given.name ?? null,
      state: 'creating' as const,
      sandbox_id: given.sandboxId ?? null,
      created_at: given.createdAt,
    }
    // How large it becomes is not known yet.
    await this.#change('snapshot.reserve', given.id, async (tx) => {
      await holdStorage(tx, { accountId: given.accountId, moreMb: 1, defaults })
      await tx.insertInto('snapshots').values(row).execute()
    })
  }

  /** It is whole: from now on it can be seen. */
  markReady(
    id: string,
    made: Pick<Snapshot, 'template' | 'driver' | 'keeps' | 'limits' | 'sizeBytes'>,
  ): Promise<Snapshot> {
    const { template, driver, keeps, limits, sizeBytes } = made
    return this.#change('snapshot.ready', id, async (tx) => {
      const row = await tx
        .updateTable('snapshots')
        .set({ state: 'ready', template, driver, keeps, limits: JSON.stringify(limits), size_bytes: String(sizeBytes) })
        .where('id', '=', id)
        .where('state', '=', 'creating')
        .returningAll()
        .executeTakeFirstOrThrow()
      const sandbox = row.sandbox_id ? { sandbox: row.sandbox_id } : {}
      const { account_id: accountId } = row
      await appendEvent(tx, {
        type: 'snapshot.created',
        accountId,
        subject: id,
        data: { ...sandbox, keeps, sizeBytes },
      })
      return toSnapshot(row)
    })
  }

  /** Nobody can see it any more. False when the account has no such snapshot. */
  markDeleting(accountId: string, id: string): Promise<boolean> {
    if (!isId(id)) return Promise.resolve(false)
    return this.#change('snapshot.delete', id, async (tx) => {
      const row = await tx
        .updateTable('snapshots')
        .set({ state: 'deleting' })
        .where('id', '=', id)
        .where('account_id', '=', accountId)
        .where('state', '=', 'ready')
        .returning('id')
        .executeTakeFirst()
      if (row) await appendEvent(tx, { type: 'snapshot.deleted', accountId, subject: id, data: {} })
      return row !== undefined
    })
  }

  #change<T>(name: string, id: string, work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return step(name, id, () => this.#db.transaction(work))
  }

  /** After its last file. */
  async forget(id: string): Promise<void> {
    const record = this.#db.kysely.deleteFrom('snapshots').where('id', '=', id).where('state', '<>', 'ready')
    await step('snapshot.forget', id, () => record.execute())
  }

  async find(accountId: string, id: string): Promise<Snapshot | undefined> {
    if (!isId(id)) return undefined
    const row = await this.#ready(accountId).where('id', '=', id).executeTakeFirst()
    return row && toSnapshot(row)
  }

  /** Newest first. */
  async list(
    accountId: string,
    filter: {
      name: string | undefined
      nameBegins: string | undefined
      sandbox: string | undefined
      after: { createdAt: Date; id: string } | undefined
      limit: number
    },
  ): Promise<Snapshot[]> {
    let query = this.#ready(accountId)
    const { name, nameBegins, sandbox, after, limit } = filter
    if (name !== undefined) query = query.where('name', '=', name)
    if (nameBegins !== undefined) query = query.where(sql<boolean>`starts_with(name, ${nameBegins})`)
    if (sandbox !== undefined) query = query.where('sandbox_id', '=', sandbox)
    if (after)
      query = query.where((is) => is(is.refTuple('created_at', 'id'), '<', is.tuple(after.createdAt, after.id)))
    const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
    return rows.map(toSnapshot)
  }

  /** Of all accounts, in every state. */
  async all(): Promise<{ id: string; state: SnapshotsTable['state'] }[]> {
    return this.#db.kysely.selectFrom('snapshots').select(['id', 'state']).execute()
  }

  #ready(accountId: string) {
    return this.#db.kysely
      .selectFrom('snapshots')
      .selectAll()
      .where('account_id', '=', accountId)
      .where('state', '=', 'ready')
  }
}

function isId(id: string): boolean {
  return /^[a-z0-9]{1,64}$/.test(id)
}

function toSnapshot(row: Selectable<SnapshotsTable>): Snapshot {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name ?? undefined,
    sandboxId: row.sandbox_id ?? undefined,
    template: row.template ?? '',
    driver: row.driver ?? '',
    keeps: row.keeps ?? 'files',
    limits: row.limits as Limits,
    sizeBytes: Number(row.size_bytes ?? 0),
    createdAt: row.created_at,
  }
}
