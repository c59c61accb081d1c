import { type Selectable, sql, type Transaction, type UpdateQueryBuilder, type UpdateResult } from 'kysely'
import { WarrenError } from '../errors.ts'
import type { Event } from '../events/event.ts'
import type { Database } from '../storage/database.ts'
import type { SandboxesTable, Tables } from '../storage/tables.ts'
import type { EndReason, Limits, Runtime, Sandbox, State } from './sandbox.ts'

export interface SandboxStoreDeps {
  db: Database
  appendEvent: (tx: Transaction<Tables>, event: Event) => Promise<void>
  now: () => Date
}

/** The records of sandboxes: the one writer of their table. Every change is conditional on the state it starts from. */
export class SandboxStore {
  readonly #db: Database
  readonly #appendEvent: SandboxStoreDeps['appendEvent']
  readonly #now: () => Date

  constructor({ db, appendEvent, now }: SandboxStoreDeps) {
    this.#db = db
    this.#appendEvent = appendEvent
    this.#now = now
  }

  /** Records a sandbox that is about to start. Throws `limit_exceeded` when its account has `limit` already, exactly. */
  async reserve(starting: Sandbox, limit: number): Promise<void> {
    const client = await this.#db.pool.connect()
    try {
      // Not waiting for the disk: what a power cut takes from the record, it takes from the sandbox too. A crash of ours
      // loses nothing, and the commit of markRunning, which is waited for, makes both last.
      await client.query('begin; set local synchronous_commit = off')
      // Held until the end of the transaction: two that reserve for one account do it one after the other.
      await client.query({
        name: 'sandbox-lock',
        text: 'select pg_advisory_xact_lock(7071, hashtext($1))',
        values: [starting.accountId],
      })
      const { rowCount } = await client.query({
        name: 'sandbox-reserve',
        text: `insert into sandboxes (id, account_id, template, state, limits, metadata, created_at, expires_at)
          select $1, $2, $3, 'starting', $4, $5, $6, $7
          where (select count(*) from sandboxes
                 where account_id = $2 and ended_at is null and state in ('starting', 'running', 'stopping')) < $8`,
        values: [
          starting.id,
          starting.accountId,
          starting.template,
          JSON.stringify(starting.limits),
          JSON.stringify(starting.metadata),
          starting.createdAt,
          starting.expiresAt,
          limit,
        ],
      })
      await client.query('commit')
      client.release()
      if (rowCount === 1) return
    } catch (error) {
      client.release(true) // ends the session and with it the transaction, whatever state it is in
      throw error
    }
    throw new WarrenError('limit_exceeded', `there are ${limit} sandboxes already, which is the most at once`, {
      hint: 'Delete one, or wait until the time of one is over.',
      details: { limit },
    })
  }

  /** Takes back a reservation whose start failed. */
  async release(id: string): Promise<void> {
    await this.#db.kysely.deleteFrom('sandboxes').where('id', '=', id).where('state', '=', 'starting').execute()
  }

  /** Undefined when it is not starting any more: somebody deleted it in the meantime. */
  markRunning(
    starting: Sandbox,
    started: { instanceId: string; runtime: Runtime; warm: boolean },
  ): Promise<Sandbox | undefined> {
    const { instanceId, runtime, warm } = started
    return this.#change(
      starting.id,
      (update) =>
        update
          .set({ state: 'running', instance_id: instanceId, runtime: JSON.stringify(runtime), warm })
          .where('state', '=', 'starting'),
      ({ template }) => ({
        type: 'sandbox.created',
        data: { template, driver: runtime.driver, isolation: runtime.isolation, warm },
      }),
    )
  }

  markFailed(id: string, reason: EndReason): Promise<Sandbox | undefined> {
    return this.#change(
      id,
      (update) => update.set({ state: 'failed', end_reason: reason }).where('state', 'in', ['starting', 'running']),
      () => ({ type: 'sandbox.failed', data: { reason } }),
    )
  }

  /** Undefined when there is nothing to stop under `rule`. A failed sandbox keeps the reason why it failed. */
  markStopping(
    id: string,
    rule: { reason: EndReason; accountId?: string; expiredBy?: Date },
  ): Promise<Sandbox | undefined> {
    return this.#change(id, (update) => {
      let stopping = update
        .set({ state: 'stopping', end_reason: sql`coalesce(end_reason, ${rule.reason})` })
        .where('state', 'in', ['starting', 'running', 'failed'])
      if (rule.accountId !== undefined) stopping = stopping.where('account_id', '=', rule.accountId)
      if (rule.expiredBy) stopping = stopping.where('expires_at', '<=', rule.expiredBy)
      return stopping
    })
  }

  async markEnded(stopping: Sandbox): Promise<void> {
    await this.#change(
      stopping.id,
      (update) => update.set({ state: 'stopped', ended_at: this.#now() }).where('state', '=', 'stopping'),
      () => ({ type: 'sandbox.stopped', data: { reason: stopping.endReason ?? 'deleted' } }),
    )
  }

  /** Undefined when no such sandbox of the account is running. */
  setExpiry(accountId: string, id: string, expiresAt: Date): Promise<Sandbox | undefined> {
    return this.#change(
      id,
      (update) =>
        update.set({ expires_at: expiresAt }).where('account_id', '=', accountId).where('state', '=', 'running'),
      () => ({ type: 'sandbox.timeout_changed', data: { expiresAt: expiresAt.toISOString() } }),
    )
  }

  async find(accountId: string, id: string): Promise<Sandbox | undefined> {
    const { rows } = await this.#db.pool.query<Row>({
      name: 'sandbox-find',
      text: 'select * from sandboxes where id = $1 and account_id = $2 and ended_at is null',
      values: [id, accountId],
    })
    return rows[0] && toSandbox(rows[0])
  }

  /** Newest first. */
  async list(
    accountId: string,
    filter: {
      state: State | undefined
      metadata: Record<string, string>
      after: { createdAt: Date; id: string } | undefined
      limit: number
    },
  ): Promise<Sandbox[]> {
    const { state, metadata, after, limit } = filter
    let query = this.#db.kysely
      .selectFrom('sandboxes')
      .selectAll()
      .where('account_id', '=', accountId)
      .where('ended_at', 'is', null)
    if (state) query = query.where('state', '=', state)
    if (Object.keys(metadata).length > 0)
      query = query.where(sql<boolean>`metadata @> ${JSON.stringify(metadata)}::jsonb`)
    if (after) query = query.where(sql<boolean>`(created_at, id) < (${after.createdAt}::timestamptz, ${after.id})`)
    const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
    return rows.map(toSandbox)
  }

  /** Everything that has not ended, of all accounts. */
  async unsettled(): Promise<Sandbox[]> {
    const rows = await this.#db.kysely.selectFrom('sandboxes').selectAll().where('ended_at', 'is', null).execute()
    return rows.map(toSandbox)
  }

  /** When the next sandbox expires that has not expired by `now`. */
  async nextExpiry(now: Date): Promise<Date | undefined> {
    const row = await this.#db.kysely
      .selectFrom('sandboxes')
      .select((is) => is.fn.min('expires_at').as('next'))
      .where('ended_at', 'is', null)
      .where('expires_at', '>', now)
      .executeTakeFirst()
    return row?.next ?? undefined
  }

  /** One conditional change and, in the same transaction, the event that tells of it. */
  #change(
    id: string,
    change: (update: Update) => Update,
    tell?: (changed: Sandbox) => Pick<Event, 'type' | 'data'>,
  ): Promise<Sandbox | undefined> {
    return this.#db.transaction(async (tx) => {
      const rows = await change(tx.updateTable('sandboxes')).where('id', '=', id).returningAll().execute()
      const changed = rows[0] && toSandbox(rows[0])
      if (changed && tell) {
        await this.#appendEvent(tx, { ...tell(changed), accountId: changed.accountId, subject: changed.id } as Event)
      }
      return changed
    })
  }
}

type Row = Selectable<SandboxesTable>
type Update = UpdateQueryBuilder<Tables, 'sandboxes', 'sandboxes', UpdateResult>

function toSandbox(row: Row): Sandbox {
  return {
    id: row.id,
    accountId: row.account_id,
    state: row.state as State,
    template: row.template,
    limits: row.limits as Limits,
    metadata: row.metadata,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? row.created_at,
    runtime: (row.runtime as Runtime | null) ?? undefined,
    instanceId: row.instance_id ?? undefined,
    warm: row.warm ?? false,
    endReason: row.end_reason ?? undefined,
  }
}
