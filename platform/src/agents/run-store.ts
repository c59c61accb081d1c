import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { RecordUsage, UsageFact } from '../metering/usage-fact.ts'
import type { AgentBudget } from '../quotas/agent-budget.ts'
import { type Database, type Queries, tellAfter } from '../storage/database.ts'
import type { NewImage } from './images/image.ts'
import type { Cost, Entry, Fact, RunStarted } from './journal/entry.ts'
import { JournalStore, longestInline } from './journal/journal-store.ts'
import { type Recorded, recorded } from './journal/recorded.ts'
import { Superseded } from './journal/recorder.ts'
import { stateOf } from './journal/run-state.ts'
import {
  endedStates,
  firstEntry,
  leaseMs,
  type Run,
  type RunResult,
  type RunRow,
  type RunStateName,
  toRun,
} from './run.ts'
import { settledEvent, startedEvent, tellContinued } from './run-event.ts'
import { RunInbox } from './run-inbox.ts'
import type { RunSnapshots } from './run-snapshots.ts'
import {
  claimStatement,
  createStatement,
  type Perform,
  performBy,
  performWithin,
  settleStatement,
} from './run-statements.ts'

interface NewRun {
  id: string
  accountId: string
  started: RunStarted
  /** Those that its beginning names. */
  images?: readonly NewImage[]
  onceKey?: string
  /** Of those that share a budget no more than so many; it is refused beyond, `limit_exceeded`. */
  mostInTree?: number
  /** The run that it goes on from, what happened there, and the snapshots that it needs of it. */
  fork?: { of: string; entries: readonly Entry[]; snapshots: readonly string[]; beginsWith: string | undefined }
}

export interface Settlement {
  state: RunStateName
  reason?: string
  result: RunResult
  steps: number
  usage: Cost & { children: Cost; metered: Cost }
  /** What it used since it was settled the last time. */
  facts: readonly UsageFact[]
  /** Its tree has no limit in money, so nothing is reserved that could be given back. */
  reservesNothing?: boolean
}

interface RunStoreOptions {
  db: Database
  now: () => Date
  holder: string
  recordUsage: RecordUsage
  budget: AgentBudget
  snapshots: Pick<RunSnapshots, 'share' | 'letGoAll'>
}

/** The rows of runs: the one writer of their table. */
export class RunStore {
  readonly journal: JournalStore
  readonly inbox: RunInbox
  readonly #db: Database
  readonly #now: () => Date
  /** Who claims: the same for each process of one home, since there is one at a time. */
  readonly #holder: string
  readonly #recordUsage: RecordUsage
  readonly #budget: AgentBudget
  readonly #snapshots: RunStoreOptions['snapshots']

  constructor({ db, now, holder, recordUsage, budget, snapshots }: RunStoreOptions) {
    this.journal = new JournalStore(db)
    this.inbox = new RunInbox({ db, now, journal: this.journal })
    this.#db = db
    this.#now = now
    this.#holder = holder
    this.#recordUsage = recordUsage
    this.#budget = budget
    this.#snapshots = snapshots
  }

  /**
   * Its row, the beginning of its journal and what it may cost, reserved; or nothing. Throws `limit_exceeded` where that is
   * beyond the quota; what others have spawned shares the budget of the first. With a key that was used before it is that run.
   */
  async create({ id, accountId, started, images = [], onceKey, mostInTree, fork }: NewRun): Promise<Run> {
    const now = this.#now()
    const history = fork?.entries ?? []
    const metered = stateOf(history)?.metered
    const row = {
      ...{ id, account_id: accountId, agent: started.spec.name, conversation: started.conversation },
      ...{ root_id: started.root, parent_id: started.parent ?? null, once_key: onceKey ?? null, created_at: now },
      // What the run that it goes on from has used is that one's.
      ...{ state: 'queued' as const, reason: null, result: null, steps: 0, usage: metered ? { metered } : null },
      ...{ fence: 0, holder: null, lease_until: null, cancel_requested: false, ended_at: null },
    }
    const run = toRun(row)
    const entries = (history.length > 0 ? history : [firstEntry(run, started)]).map(recorded)
    const write = async (queries: Queries, perform: Perform) => {
      const rows = await this.journal.rows(queries, { runId: id, fence: 0, entries })
      return await perform<{ id: string }>(createStatement(row, { rows, event: startedEvent(run, history) }))
    }
    const { maxUsd } = started.spec.limits ?? {}
    const reserve = (queries: Queries) => this.#budget.reserve(queries, { accountId, rootId: id }, maxUsd)
    const isShort = images.length === 0 && entries.every(({ json }) => json.length <= longestInline)
    // Nothing but the row and what goes with it in one statement.
    if (!onceKey && mostInTree === undefined && !fork && started.root === id && maxUsd === undefined && isShort)
      return await step('agent.create', id, async () => {
        await reserve(this.#db.kysely)
        await write(this.#db.kysely, performBy(this.#db))
        this.#db.told()
        return run
      })
    return await step('agent.create', id, () =>
      this.#db.transaction(async (tx) => {
        if (mostInTree !== undefined) await this.#lockTree(tx, started.root)
        const [created] = await write(tx, performWithin(tx))
        if (!created) {
          const there = tx.selectFrom('agent_runs').selectAll().where('account_id', '=', accountId)
          return toRun(await there.where('once_key', '=', onceKey!).executeTakeFirstOrThrow())
        }
        if (mostInTree !== undefined && (await this.#sizeOf(tx, started.root)) > mostInTree)
          throw new WarrenError('limit_exceeded', `${mostInTree} runs share a budget, and no more may`)
        if (started.root === id) await reserve(tx)
        if (fork) await this.#shareSnapshots(tx, id, fork)
        await this.journal.keepImages(tx, id, images)
        tellAfter(tx)
        return run
      }),
    )
  }

  async #shareSnapshots(tx: Queries, id: string, { of, snapshots, beginsWith }: NonNullable<NewRun['fork']>) {
    const shared = await this.#snapshots.share(tx, { from: of, to: id, ids: snapshots })
    if (beginsWith !== undefined && !shared.includes(beginsWith))
      throw new WarrenError('conflict', `run ${of} has just let go of the snapshot of that step`)
  }

  /** Whether one of those that share a budget has not ended. */
  async #goesOn(tx: Queries, rootId: string): Promise<boolean> {
    const query = tx.selectFrom('agent_runs').select('id').where('root_id', '=', rootId).where('ended_at', 'is', null)
    return (await query.limit(1).executeTakeFirst()) !== undefined
  }

  /** Who adds to a tree sees what the one before has added. */
  async #lockTree(tx: Queries, rootId: string): Promise<void> {
    await tx.selectFrom('agent_runs').select('id').where('id', '=', rootId).forNoKeyUpdate().execute()
  }

  async #sizeOf(tx: Queries, rootId: string): Promise<number> {
    const query = tx.selectFrom('agent_runs').select(({ fn }) => fn.countAll<string>().as('runs'))
    return Number((await query.where('root_id', '=', rootId).executeTakeFirstOrThrow()).runs)
  }

  async find(accountId: string, id: string): Promise<Run> {
    const text = 'select * from agent_runs where id = $1 and account_id = $2'
    const found = { name: 'agent-run', text, values: [id, accountId] }
    const [row] = /^[a-z0-9]{1,64}$/.test(id) ? await performBy(this.#db)<RunRow>(found) : []
    if (!row) throw new WarrenError('not_found', `there is no run ${id.slice(0, 64)}`)
    return toRun(row)
  }

  /** Newest first. */
  async list(
    accountId: string,
    filter: { agent?: string; state?: RunStateName; conversation?: boolean; before?: Date; limit: number },
  ): Promise<Run[]> {
    let query = this.#db.kysely.selectFrom('agent_runs').selectAll().where('account_id', '=', accountId)
    if (filter.agent !== undefined) query = query.where('agent', '=', filter.agent)
    if (filter.state !== undefined) query = query.where('state', '=', filter.state)
    if (filter.conversation !== undefined) query = query.where('conversation', '=', filter.conversation)
    if (filter.before) query = query.where('created_at', '<', filter.before)
    const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(filter.limit).execute()
    return rows.map(toRun)
  }

  /** All runs that share a budget. */
  async tree(rootId: string): Promise<Run[]> {
    const rows = await this.#db.kysely.selectFrom('agent_runs').selectAll().where('root_id', '=', rootId).execute()
    return rows.map(toRun)
  }

  /** Takes a run to carry it on; undefined where there is nothing to do, or somebody else does it. */
  async claim(id: string): Promise<Run | undefined> {
    const now = this.#now()
    const asked = { id, holder: this.#holder, now, until: new Date(now.getTime() + leaseMs) }
    const [row] = await step('agent.claim', id, () => performBy(this.#db)<RunRow>(claimStatement(asked)))
    return row && toRun(row)
  }

  /** Ids of the runs that could be claimed. */
  async claimable(): Promise<string[]> {
    const now = this.#now()
    const rows = await this.#db.kysely
      .selectFrom('agent_runs')
      .select('id')
      .where('state', 'in', ['queued', 'running'])
      .where((is) => is.or([is('holder', 'is', null), is('holder', '=', this.#holder), is('lease_until', '<', now)]))
      .orderBy('created_at')
      .limit(1000)
      .execute()
    return rows.map(({ id }) => id)
  }

  async renew(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const until = new Date(this.#now().getTime() + leaseMs)
    const query = this.#db.kysely
      .updateTable('agent_runs')
      .set({ lease_until: until })
      .where('id', 'in', [...ids])
    await step('agent.renew', ids[0]!, () => query.where('holder', '=', this.#holder).execute())
  }

  /**
   * The last entries and the state of the row, or neither; with the end of the last run that shares it the budget is given
   * back. Rejects with `Superseded` where somebody else holds it.
   */
  async settle(run: Run, entries: readonly Recorded[], given: Settlement): Promise<void> {
    const { id, accountId, rootId, fence } = run
    const { state, reason, result, steps, usage, facts, reservesNothing } = given
    const ends = endedStates.includes(state)
    const now = { ...run, state, reason, result, steps, usage, endedAt: ends ? this.#now() : undefined }
    const more = { event: settledEvent(now), recordUsage: this.#recordUsage, facts }
    await step('agent.settle', id, async () => {
      // The run is there: what is kept beside it goes with it, whatever comes of this.
      const rows = await this.journal.rows(this.#db.kysely, { runId: id, fence, entries })
      const write = async (perform: Perform) => {
        const [settled] = await perform(settleStatement(now, { rows, ...more }))
        if (!settled) throw new Superseded('another process has taken this run over')
      }
      if (!ends || reservesNothing) {
        await write(performBy(this.#db))
        return this.#db.told()
      }
      await this.#db.transaction(async (tx) => {
        await this.#lockTree(tx, rootId)
        await write(performWithin(tx))
        if (!(await this.#goesOn(tx, rootId))) await this.#budget.release(tx, { accountId, rootId })
        tellAfter(tx)
      })
    })
  }

  /**
   * Changes a run that nobody carries on: `change` sees its row and its journal, locked, and answers what is to be recorded. It is
   * queued then, in the same transaction, and has its budget reserved again where it had ended. Of several that do so at once,
   * each sees what the one before has done.
   */
  async change(accountId: string, id: string, change: (run: Run, entries: Entry[]) => Fact[]): Promise<Run> {
    const { rootId } = await this.find(accountId, id)
    return await step('agent.change', id, () =>
      this.#db.transaction(async (tx) => {
        await this.#lockTree(tx, rootId)
        const locked = await tx
          .selectFrom('agent_runs')
          .selectAll()
          .where('id', '=', id)
          .forUpdate()
          .executeTakeFirstOrThrow()
        const run = toRun(locked)
        const entries = await this.journal.readWithin(tx, id)
        const seq = entries.at(-1)?.seq ?? 0
        const at = this.#now().getTime()
        const added = change(run, entries)
        if (run.endedAt) await this.#reserveAgain(tx, run)
        const facts = added.map((fact, index) => ({ ...fact, seq: seq + index + 1, at }) as Entry)
        const row = await tx
          .updateTable('agent_runs')
          .set({ state: 'queued', reason: null, result: null, ended_at: null, cancel_requested: false, learned: false })
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirstOrThrow()
        await this.#insert(tx, id, run.fence, facts.map(recorded))
        return await tellContinued(tx, toRun(row), added)
      }),
    )
  }

  async #reserveAgain(tx: Queries, { accountId, rootId }: Run): Promise<void> {
    const [first] = await this.journal.readWithin(tx, rootId, { limit: 1 })
    const limits = first?.type === 'run.started' ? first.data.spec.limits : undefined
    await this.#budget.reserve(tx, { accountId, rootId }, limits?.maxUsd)
  }

  /** Ends at once a run that nobody carries on; one that runs is told to. */
  async requestCancel(accountId: string, id: string): Promise<Run> {
    const run = await this.find(accountId, id)
    const query = this.#db.kysely
      .updateTable('agent_runs')
      .set((set) => ({
        cancel_requested: true,
        state: set
          .case()
          .when('state', '=', 'waiting')
          .then('queued' as const)
          .else(set.ref('state'))
          .end(),
      }))
      .where('id', '=', id)
      .where('state', 'in', ['queued', 'running', 'waiting'])
    const row = await step('agent.cancel', id, () => query.returningAll().executeTakeFirst())
    if (!row)
      throw new WarrenError('conflict', `run ${id} has ended: it is ${run.state}`, { details: { state: run.state } })
    return toRun(row)
  }

  /** A conversation that waits for a message goes on. Answers whether it did wait. */
  async requeue(id: string): Promise<boolean> {
    return await step('agent.requeue', id, () =>
      this.#db.transaction(async (tx) => {
        const row = await tx
          .updateTable('agent_runs')
          .set({ state: 'queued', reason: null })
          .where((is) => is.and({ id, state: 'waiting', reason: 'message' }))
          .returningAll()
          .executeTakeFirst()
        if (row) await tellContinued(tx, toRun(row))
        return row !== undefined
      }),
    )
  }

  /** Runs that have ended and are no experience yet, the oldest first. */
  async unlearned(most: number): Promise<{ id: string; accountId: string }[]> {
    const rows = await this.#db.kysely
      .selectFrom('agent_runs')
      .select(['id', 'account_id'])
      .where('ended_at', 'is not', null)
      .where('learned', '=', false)
      .orderBy('ended_at')
      .limit(most)
      .execute()
    return rows.map(({ id, account_id }) => ({ id, accountId: account_id }))
  }

  async markLearned(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const text = 'update agent_runs set learned = true where id = any($1) and ended_at is not null'
    await step('agent.learned', ids[0]!, () => performBy(this.#db)({ name: 'agent-learned', text, values: [ids] }))
  }

  /** What a fork goes on with beside the entries. */
  async copyBlobs(from: string, to: string): Promise<void> {
    const copy = sql`insert into agent_blobs (run_id, hash, data) select ${to}, hash, data from agent_blobs where run_id = ${from}`
    await step('agent.copy', to, () => copy.execute(this.#db.kysely))
  }

  /** Deletes at most `most` runs that ended before that time, with all that is theirs; answers how many. */
  async forgetEnded(before: Date, most: number): Promise<number> {
    return await step('agent.forget', 'oldest', () =>
      this.#db.transaction(async (tx) => {
        // One that is being rolled back has not ended then.
        const old = tx.selectFrom('agent_runs').select('id').where('ended_at', '<', before).orderBy('ended_at')
        const ids = (await old.limit(most).forUpdate().skipLocked().execute()).map(({ id }) => id)
        if (ids.length === 0) return 0
        await this.#snapshots.letGoAll(tx, ids)
        for (const table of ['agent_entries', 'agent_blobs', 'agent_inbox'] as const)
          await tx.deleteFrom(table).where('run_id', 'in', ids).execute()
        await tx.deleteFrom('agent_runs').where('id', 'in', ids).execute()
        return ids.length
      }),
    )
  }

  async #insert(tx: Queries, id: string, fence: number, entries: readonly Recorded[]): Promise<void> {
    const rows = await this.journal.rows(tx, { runId: id, fence, entries })
    for (let from = 0; from < rows.length; from += 500) {
      const values = rows.slice(from, from + 500).map(({ fence: _, at, ...row }) => ({ ...row, at: new Date(at) }))
      await tx.insertInto('agent_entries').values(values).execute()
    }
  }
}
