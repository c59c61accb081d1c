import type { Selectable } from 'kysely'
import { WarrenError } from '../errors.ts'
import { appendEvent } from '../events/outbox.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { FunctionAliasesTable, FunctionsTable, FunctionVersionsTable } from '../storage/tables.ts'
import {
  completeSettings,
  type FunctionAlias,
  type FunctionRecord,
  type FunctionRuntime,
  type FunctionSettings,
  type FunctionVersion,
  type Target,
} from './function.ts'
import type { WorkerKind } from './worker/worker-pool.ts'

/** A function with all that a call needs to know of it. */
export interface KnownFunction {
  record: FunctionRecord
  versions: ReadonlyMap<number, FunctionVersion>
  aliases: ReadonlyMap<string, FunctionAlias>
}

/** How long an answer of the database is taken for current, milliseconds: what another process changed is seen so late. */
const freshMs = 5_000
/** Up to that age it answers the call that finds it old, which does not wait for the newer one. */
const usableMs = 30_000
const mostRemembered = 10_000

/** The records of functions, their versions and aliases: the one writer of these tables. */
export class FunctionStore {
  readonly #db: Database
  readonly #now: () => Date
  readonly #remembered = new Map<string, { known: KnownFunction; at: number; renewing: boolean }>()
  /** Under which key each is remembered, by its id. */
  readonly #keys = new Map<string, string>()
  #changes = 0
  /** Told of what is changed here. */
  onChanged: () => void = () => {}

  constructor({ db, now }: { db: Database; now: () => Date }) {
    this.#db = db
    this.#now = now
  }

  /** By name or id. Throws `not_found` for what is not the account's. */
  get(accountId: string, name: string): Promise<KnownFunction> {
    const key = `${accountId}/${name}`
    return this.#recall(key, () => this.#read(accountId, name)) ?? this.#read(accountId, name)
  }

  /** Whoever has it. */
  async byId(id: string): Promise<KnownFunction | undefined> {
    const key = this.#keys.get(id)
    const read = async () => {
      const row = await this.#db.kysely.selectFrom('functions').selectAll().where('id', '=', id).executeTakeFirst()
      return row && this.#read(row.account_id, row.name)
    }
    return (key === undefined ? undefined : this.#recall(key, read)) ?? read()
  }

  /** What is remembered, where it can be used; it is renewed beside that where it is old. */
  #recall(key: string, renew: () => Promise<unknown>): Promise<KnownFunction> | undefined {
    const remembered = this.#remembered.get(key)
    if (!remembered) return undefined
    const ageMs = performance.now() - remembered.at
    if (ageMs > usableMs) return undefined
    if (ageMs > freshMs && !remembered.renewing) {
      remembered.renewing = true
      // One that is gone is forgotten; while the database does not answer, it stays until it is too old.
      void renew().catch(() => {
        remembered.renewing = false
      })
    }
    return Promise.resolve(remembered.known)
  }

  async #read(accountId: string, name: string): Promise<KnownFunction> {
    const key = `${accountId}/${name}`
    const [askedAt, changes] = [performance.now(), this.#changes]
    const row = await this.#db.kysely
      .selectFrom('functions')
      .selectAll()
      .where('account_id', '=', accountId)
      .where((is) => is.or([is('name', '=', name), is('id', '=', name)]))
      .executeTakeFirst()
    if (!row) {
      this.#remembered.delete(key)
      throw new WarrenError('not_found', `there is no function "${name.slice(0, 64)}"`)
    }
    const known = await this.#known(row)
    // What was changed here while we asked may be missing in the answer.
    if (this.#changes !== changes) return known
    if (this.#remembered.size >= mostRemembered) {
      this.#remembered.clear()
      this.#keys.clear()
    }
    this.#remembered.set(key, { known, at: askedAt, renewing: false })
    this.#keys.set(known.record.id, key)
    return known
  }

  async list(accountId: string): Promise<KnownFunction[]> {
    const query = this.#db.kysely.selectFrom('functions').selectAll().where('account_id', '=', accountId)
    return Promise.all((await query.orderBy('name').execute()).map((row) => this.#known(row)))
  }

  /** What workers have that the newest versions of functions run in; that of the function changed last is the last. */
  async workerKinds(): Promise<WorkerKind[]> {
    const { rows } = await this.#db.pool.query<{ runtime: FunctionRuntime; preload: string[] | null }>(
      `select runtime, settings -> 'preload' as preload from functions
        join function_versions on function_id = functions.id and version = last_version
        group by 1, 2 order by max(updated_at)`,
    )
    return rows.map(({ runtime, preload }) => ({ runtime, preload: preload ?? [] }))
  }

  /** Adds a version, and the function with its first one. With `publish` calls go to it from then on. */
  async addVersion(
    accountId: string,
    name: string,
    made: Pick<FunctionVersion, 'runtime' | 'code' | 'codeBytes' | 'settings'> & { publish: boolean },
  ): Promise<FunctionVersion> {
    const now = this.#now()
    const version = await step('function.deploy', name, () =>
      this.#db.transaction(async (tx) => {
        const row = await tx
          .insertInto('functions')
          .values({ id: newId('f'), account_id: accountId, name, created_at: now, updated_at: now, last_version: 1 })
          .onConflict((conflict) =>
            conflict.columns(['account_id', 'name']).doUpdateSet((is) => ({
              last_version: is('functions.last_version', '+', 1),
              updated_at: now,
            })),
          )
          .returningAll()
          .executeTakeFirstOrThrow()
        const number = row.last_version
        await tx
          .insertInto('function_versions')
          .values({
            function_id: row.id,
            version: number,
            runtime: made.runtime,
            code: made.code,
            code_bytes: String(made.codeBytes),
            settings: JSON.stringify(made.settings),
            created_at: now,
          })
          .execute()
        if (made.publish || (row.live as Target[]).length === 0) {
          const live = JSON.stringify([{ version: number, weight: 100 }])
          await tx.updateTable('functions').set({ live }).where('id', '=', row.id).execute()
        }
        await appendEvent(tx, {
          type: 'function.deployed',
          accountId,
          subject: row.id,
          data: { name, version: number, runtime: made.runtime },
        })
        const { runtime, code, codeBytes, settings } = made
        return { functionId: row.id, version: number, runtime, code, codeBytes, settings, createdAt: now }
      }),
    )
    this.#forget(accountId, name)
    return version
  }

  /**
   * Adds a version that is like `from` but for its memory, and lets all calls go to it. Undefined, and nothing has changed, where
   * `from` is not the newest one any more, or not the one that all calls go to.
   */
  async resize(
    { id, accountId, name }: FunctionRecord,
    from: FunctionVersion,
    memoryMb: number,
  ): Promise<number | undefined> {
    const now = this.#now()
    const number = await step('function.resize', id, () =>
      this.#db.transaction(async (tx) => {
        const row = await tx.selectFrom('functions').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
        const live = (row?.live ?? []) as Target[]
        if (row?.last_version !== from.version || live.length !== 1 || live[0]!.version !== from.version)
          return undefined
        const version = from.version + 1
        const { runtime, code, codeBytes } = from
        const settings = JSON.stringify({ ...from.settings, memoryMb })
        const made = {
          function_id: id,
          version,
          runtime,
          code,
          code_bytes: String(codeBytes),
          settings,
          created_at: now,
        }
        await tx.insertInto('function_versions').values(made).execute()
        const change = { last_version: version, live: JSON.stringify([{ version, weight: 100 }]), updated_at: now }
        await tx.updateTable('functions').set(change).where('id', '=', id).execute()
        await appendEvent(tx, { type: 'function.deployed', accountId, subject: id, data: { name, version, runtime } })
        return version
      }),
    )
    if (number !== undefined) this.#forget(accountId, name)
    return number
  }

  /** Lets calls go to these versions from now on. */
  async setLive({ id, accountId, name }: FunctionRecord, live: Target[]): Promise<void> {
    const values = { live: JSON.stringify(live), updated_at: this.#now() }
    const data = { name, targets: live }
    await step('function.live', id, () =>
      this.#db.transaction(async (tx) => {
        const change = tx.updateTable('functions').set(values).where('id', '=', id)
        const { numUpdatedRows } = await change.executeTakeFirst()
        if (numUpdatedRows > 0n)
          await appendEvent(tx, { type: 'function.traffic_changed', accountId, subject: id, data })
      }),
    )
    this.#forget(accountId, name)
  }

  async setAlias({ id, accountId, name }: FunctionRecord, alias: string, targets: Target[]): Promise<void> {
    const values = { targets: JSON.stringify(targets), updated_at: this.#now() }
    const data = { name, alias, targets }
    await step('function.alias', id, () =>
      this.#db.transaction(async (tx) => {
        await tx
          .insertInto('function_aliases')
          .values({ function_id: id, name: alias, ...values })
          .onConflict((conflict) => conflict.columns(['function_id', 'name']).doUpdateSet(values))
          .execute()
        await appendEvent(tx, { type: 'function.alias_changed', accountId, subject: id, data })
      }),
    )
    this.#forget(accountId, name)
  }

  /** False when there is none of that name. */
  async removeAlias({ id, accountId, name }: FunctionRecord, alias: string): Promise<boolean> {
    const data = { name, alias, targets: [] }
    const isRemoved = await step('function.alias_remove', id, () =>
      this.#db.transaction(async (tx) => {
        const deletion = tx.deleteFrom('function_aliases').where('function_id', '=', id).where('name', '=', alias)
        const { numDeletedRows } = await deletion.executeTakeFirst()
        if (numDeletedRows === 0n) return false
        await appendEvent(tx, { type: 'function.alias_changed', accountId, subject: id, data })
        return true
      }),
    )
    this.#forget(accountId, name)
    return isRemoved
  }

  /** With its versions, aliases and schedules. Its calls that wait fail when their turn comes. */
  async remove({ id, accountId, name }: FunctionRecord): Promise<void> {
    await step('function.remove', id, () =>
      this.#db.transaction(async (tx) => {
        const row = await tx.deleteFrom('functions').where('id', '=', id).returning('id').executeTakeFirst()
        if (row) await appendEvent(tx, { type: 'function.deleted', accountId, subject: id, data: { name } })
      }),
    )
    this.#forget(accountId, name)
  }

  #forget(accountId: string, name: string): void {
    this.#changes++
    // Who hears of it finds nothing old.
    queueMicrotask(() => this.onChanged())
    const known = this.#remembered.get(`${accountId}/${name}`)?.known
    this.#remembered.delete(`${accountId}/${name}`)
    if (known) this.#remembered.delete(`${accountId}/${known.record.id}`)
    for (const [key, { known }] of this.#remembered)
      if (known.record.accountId === accountId && known.record.name === name) this.#remembered.delete(key)
  }

  async #known(row: Selectable<FunctionsTable>): Promise<KnownFunction> {
    const [versions, aliases] = await Promise.all([
      this.#db.kysely
        .selectFrom('function_versions')
        .selectAll()
        .where('function_id', '=', row.id)
        .orderBy('version')
        .execute(),
      this.#db.kysely
        .selectFrom('function_aliases')
        .selectAll()
        .where('function_id', '=', row.id)
        .orderBy('name')
        .execute(),
    ])
    return {
      record: toRecord(row),
      versions: new Map(versions.map((version) => [version.version, toVersion(version)])),
      aliases: new Map(aliases.map((alias) => [alias.name, toAlias(alias)])),
    }
  }
}

function toRecord(row: Selectable<FunctionsTable>): FunctionRecord {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    live: row.live as Target[],
    lastVersion: row.last_version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function toVersion(row: Selectable<FunctionVersionsTable>): FunctionVersion {
  return {
    functionId: row.function_id,
    version: row.version,
    runtime: row.runtime as FunctionRuntime,
    code: row.code,
    codeBytes: Number(row.code_bytes),
    // One of before a setting came has its default.
    settings: completeSettings(row.settings as FunctionSettings),
    createdAt: row.created_at,
  }
}

function toAlias(row: Selectable<FunctionAliasesTable>): FunctionAlias {
  return { name: row.name, targets: row.targets as Target[], updatedAt: row.updated_at }
}
