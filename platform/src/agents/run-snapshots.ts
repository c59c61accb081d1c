import { sql } from 'kysely'
import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { SandboxHands } from './tools/run-sandbox.ts'

const mostAtOnce = 100
const notDeleted = 'what no run needs could not be deleted; it is tried again'

interface RunSnapshotsOptions {
  db: Database
  hands: Pick<SandboxHands, 'snapshots'>
  accountOf: (id: string) => Promise<Account>
  logger: Logger
}

/**
 * Which snapshots of sandboxes the runs of agents need: the one writer of that table. What no run needs any more is said there
 * before it is deleted, so that a crash in between leaves something to go on from.
 */
export class RunSnapshots {
  readonly #options: RunSnapshotsOptions
  #removing: Promise<void> | undefined
  #isClosing = false

  constructor(options: RunSnapshotsOptions) {
    this.#options = options
  }

  /** The id of a snapshot that is about to be taken for a run. */
  async reserve(accountId: string, runId: string): Promise<string> {
    const id = newId('n')
    const row = { snapshot_id: id, run_id: runId, account_id: accountId }
    const insert = this.#options.db.kysely.insertInto('agent_snapshots').values(row)
    await step('agent.reserve_snapshot', id, () => insert.execute())
    return id
  }

  /** Those that a run can go back to, and that are there. */
  async of(account: Account, runId: string): Promise<Set<string>> {
    const { db, hands } = this.#options
    const query = db.kysely.selectFrom('agent_snapshots').select('snapshot_id as id').where('run_id', '=', runId)
    const rows = await query.where('needed', '=', true).execute()
    const isThere = async ({ id }: { id: string }) => {
      const found = await hands.snapshots.get({ account, id }).catch(unlessMissing)
      return found ? [id] : []
    }
    return new Set((await Promise.all(rows.map(isThere))).flat())
  }

  /** A fork needs them as well. Answers those that the run it is of still needed; these stay then. */
  async share(tx: Queries, { from, to, ids }: { from: string; to: string; ids: readonly string[] }): Promise<string[]> {
    if (ids.length === 0) return []
    const { rows } = await sql<{ snapshot_id: string }>`
      insert into agent_snapshots (snapshot_id, run_id, account_id)
        select snapshot_id, ${to}, account_id from agent_snapshots
        where run_id = ${from} and needed and snapshot_id = any(${[...ids]}) for share
      on conflict do nothing returning snapshot_id`.execute(tx)
    return rows.map(({ snapshot_id }) => snapshot_id)
  }

  /** The run needs these no more. */
  async letGo(runId: string, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await step('agent.let_go_snapshots', runId, () =>
      letGo(this.#options.db.kysely, [runId])
        .where('snapshot_id', 'in', [...ids])
        .execute(),
    )
    void this.removeUnneeded()
  }

  /** The run needs these and no others: those of what was rolled back, and of what a crash has cut off, go. */
  async keepOnly(runId: string, ids: readonly string[]): Promise<void> {
    const others = letGo(this.#options.db.kysely, [runId]).where(sql<boolean>`snapshot_id <> all(${[...ids]})`)
    const { numUpdatedRows } = await step('agent.let_go_snapshots', runId, () => others.executeTakeFirstOrThrow())
    if (numUpdatedRows > 0n) void this.removeUnneeded()
  }

  /** These runs are being forgotten, in the same transaction. */
  async letGoAll(tx: Queries, runIds: readonly string[]): Promise<void> {
    await letGo(tx, runIds).execute()
  }

  /** At start, when nothing is being forked: what was saved for a fork that has not come to be goes, as does all that was to go. */
  async recover(): Promise<void> {
    const { db } = this.#options
    await step('agent.let_go_snapshots', 'of no run', () =>
      sql`update agent_snapshots s set needed = false
        where needed and not exists (select from agent_runs r where r.id = s.run_id)`.execute(db.kysely),
    )
    void this.removeUnneeded()
  }

  /** Deletes what no run needs, and then says so. What cannot be deleted now is tried again with the next. */
  removeUnneeded(): Promise<void> {
    if (this.#isClosing) return Promise.resolve()
    // What is let go of meanwhile may not have been seen by those that go already.
    this.#removing = (this.#removing ?? Promise.resolve()).then(() => this.#removeAll())
    return this.#removing
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#removing
  }

  async #removeAll(): Promise<void> {
    const { db, logger } = this.#options
    try {
      for (let after = ''; !this.#isClosing; ) {
        const { rows } = await sql<{ id: string; account: string }>`
          select distinct snapshot_id as id, account_id as account from agent_snapshots s
          where not needed and snapshot_id > ${after}
            and not exists (select from agent_snapshots o where o.snapshot_id = s.snapshot_id and o.needed)
          order by snapshot_id limit ${mostAtOnce}`.execute(db.kysely)
        for (const { id, account } of rows) {
          after = id
          if (this.#isClosing) return
          await this.#remove(id, account).catch((error) => logger.warn({ err: error, snapshot: id }, notDeleted))
        }
        if (rows.length < mostAtOnce) return
      }
    } catch (error) {
      logger.warn({ err: error }, notDeleted)
    }
  }

  async #remove(id: string, accountId: string): Promise<void> {
    const { db, hands, accountOf } = this.#options
    await hands.snapshots.remove({ account: await accountOf(accountId), id }).catch(unlessMissing)
    const rows = db.kysely.deleteFrom('agent_snapshots').where('snapshot_id', '=', id)
    await step('agent.forget_snapshot', id, () => rows.execute())
  }
}

function letGo(queries: Queries, runIds: readonly string[]) {
  return queries
    .updateTable('agent_snapshots')
    .set({ needed: false })
    .where('run_id', 'in', [...runIds])
    .where('needed', '=', true)
}

/** Somebody has deleted it before. */
function unlessMissing(error: unknown): undefined {
  if (!(error instanceof WarrenError) || error.code !== 'not_found') throw error
}
