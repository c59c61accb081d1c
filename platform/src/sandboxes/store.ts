import type { PausedMemory } from '../engine/instance-store.ts'
import type { NetworkPolicy } from '../engine/network/rules.ts'
import type { Event } from '../events/event.ts'
import { appendEvents } from '../events/outbox.ts'
import { quotaExceeded } from '../lib/quota-exceeded.ts'
import { step } from '../lib/step.ts'
import type { QuotaDefaults, QuotaExceeded } from '../quotas/quota.ts'
import type { Database } from '../storage/database.ts'
import { ofThisNode } from '../storage/of-this-node.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { EndReason, Runtime, Sandbox } from './sandbox.ts'
import { isSandboxId, type SandboxFilter, type SandboxPage, SandboxReads } from './sandbox-reads.ts'
import { type SandboxRow, sandboxOf } from './sandbox-row.ts'
import type { MountedVolume } from './volumes.ts'

/** The records of sandboxes: the one writer of their table. Every change is conditional on the state it starts from. */
export class SandboxStore {
  readonly #db: Database
  readonly #now: () => Date
  readonly #reads: SandboxReads

  constructor({ db, now }: { db: Database; now: () => Date }) {
    this.#db = db
    this.#now = now
    this.#reads = new SandboxReads(db)
  }

  /** Records a sandbox that is about to start. Throws `limit_exceeded` when its account would go beyond a quota, exactly. */
  async reserve(starting: Sandbox, defaults: QuotaDefaults): Promise<void> {
    const statement = {
      name: 'sandbox-reserve',
      text: 'select reserve_sandbox($1, $2, $3, $4, $5, $6, $7, $8) as beyond',
      values: [
        starting.id,
        starting.accountId,
        starting.template,
        JSON.stringify(starting.limits),
        JSON.stringify(starting.metadata),
        starting.createdAt,
        starting.expiresAt,
        JSON.stringify(defaults),
      ],
    }
    const { rows } = await step('sandbox.reserve', starting.id, () =>
      this.#db.pool.query<{ beyond: QuotaExceeded | null }>(statement),
    )
    if (rows[0]?.beyond) throw quotaExceeded(rows[0].beyond)
  }

  /** Takes back a reservation whose start failed. */
  async release(id: string): Promise<void> {
    const reservation = this.#db.kysely.deleteFrom('sandboxes').where('id', '=', id).where('state', '=', 'starting')
    await step('sandbox.release', id, () => reservation.execute())
  }

  /** Undefined when it is not starting any more: somebody deleted it in the meantime. */
  markRunning(
    starting: Sandbox,
    started: {
      instanceId: string
      runtime: Runtime
      warm: boolean
      network: NetworkPolicy
      lifecycle: Lifecycle
      volumes: MountedVolume[]
      gpu: boolean
      from?: { snapshot: string }
    },
  ): Promise<Sandbox | undefined> {
    const { instanceId, runtime, warm, network, lifecycle, volumes, gpu, from } = started
    const { id, template, limits } = starting
    const { driver, isolation } = runtime
    const rest = { ...(gpu ? { gpu: true as const } : {}), ...(from ? { from } : {}) }
    return this.#change({
      name: 'run',
      set: "state = 'running', instance_id = $4, runtime = $5, warm = $6, network = $7, lifecycle = $8, volumes = $9",
      where: "state = 'starting'",
      values: [
        instanceId,
        JSON.stringify(runtime),
        warm,
        JSON.stringify(network),
        JSON.stringify(lifecycle),
        JSON.stringify(volumes),
      ],
      id,
      event: { type: 'sandbox.created', data: { template, driver, isolation, warm, limits, ...rest } },
    })
  }

  markFailed(id: string, reason: EndReason): Promise<Sandbox | undefined> {
    return this.#change({
      name: 'fail',
      set: "state = 'failed', end_reason = $4",
      where: "state in ('starting', 'running', 'pausing', 'paused', 'resuming')",
      values: [reason],
      id,
      event: { type: 'sandbox.failed', data: { reason } },
    })
  }

  /** Undefined when there is nothing to stop under `rule`. A failed sandbox keeps the reason why it failed. */
  markStopping(
    id: string,
    rule: { reason: EndReason; accountId?: string; expiredBy?: Date },
  ): Promise<Sandbox | undefined> {
    return this.#change({
      name: 'stop',
      set: "state = 'stopping', end_reason = coalesce(end_reason, $4)",
      where: `state in ('starting', 'running', 'pausing', 'paused', 'resuming', 'failed')
        and account_id = coalesce($5, account_id) and expires_at <= coalesce($6, expires_at)`,
      values: [rule.reason, rule.accountId ?? null, rule.expiredBy ?? null],
      id,
    })
  }

  async markEnded({ id, endReason }: Sandbox): Promise<void> {
    await this.#change({
      name: 'end',
      set: "state = 'stopped', ended_at = $4",
      where: "state = 'stopping'",
      values: [this.#now()],
      id,
      event: { type: 'sandbox.stopped', data: { reason: endReason ?? 'deleted' } },
    })
  }

  /** Undefined when no such sandbox of the account is running; with `onlyLater` also when its time is that long already. */
  setExpiry(accountId: string, id: string, expiresAt: Date, onlyLater = false): Promise<Sandbox | undefined> {
    return this.#change({
      name: onlyLater ? 'extend' : 'expire',
      set: 'expires_at = $4',
      where: `account_id = $5 and state = 'running' ${onlyLater ? 'and expires_at < $4' : ''}`,
      values: [expiresAt, accountId],
      id,
      event: { type: 'sandbox.timeout_changed', data: { expiresAt: expiresAt.toISOString() } },
    })
  }

  /** Undefined when no such sandbox of the account is running or paused. */
  setNetwork(accountId: string, id: string, policy: NetworkPolicy): Promise<Sandbox | undefined> {
    const { internet, allow, deny } = policy
    return this.#change({
      name: 'network',
      set: 'network = $4',
      where: "account_id = $5 and state in ('running', 'paused')",
      values: [JSON.stringify(policy), accountId],
      id,
      event: { type: 'sandbox.network_changed', data: { internet, allow, deny } },
    })
  }

  /** Undefined when no such sandbox of the account is running, or its time was not over by `expiredBy`. */
  markPausing(accountId: string, id: string, expiredBy?: Date): Promise<Sandbox | undefined> {
    return this.#change({
      name: 'pausing',
      set: "state = 'pausing'",
      where: "account_id = $4 and state = 'running' and expires_at <= coalesce($5, expires_at)",
      values: [accountId, expiredBy ?? null],
      id,
    })
  }

  /** Undefined when it is not pausing any more. Its time stands still; the paused one is kept until `expiresAt`. */
  markPaused(id: string, paused: { memory: PausedMemory; expiresAt: Date }): Promise<Sandbox | undefined> {
    return this.#change({
      name: 'paused',
      set: `state = 'paused', paused_memory = $4, expires_at = $5, paused_at = $6,
        remaining_ms = greatest(0, extract(epoch from expires_at - $6::timestamptz) * 1000)::bigint`,
      where: "state = 'pausing'",
      values: [paused.memory === 'none' ? null : paused.memory, paused.expiresAt, this.#now()],
      id,
      event: { type: 'sandbox.paused', data: { memory: paused.memory } },
    })
  }

  /** It could not be paused, and goes on. */
  markNotPaused(id: string): Promise<Sandbox | undefined> {
    return this.#change({ name: 'not-paused', set: "state = 'running'", where: "state = 'pausing'", values: [], id })
  }

  /** Throws `limit_exceeded` when the account would go beyond a quota. False when there is none that is paused. */
  async markResuming(accountId: string, id: string, defaults: QuotaDefaults): Promise<boolean> {
    if (!isSandboxId(id)) return false
    const statement = {
      name: 'sandbox-resuming',
      text: 'select resume_sandbox($1, $2, $3) as outcome',
      values: [id, accountId, JSON.stringify(defaults)],
    }
    const { rows } = await step('sandbox.resuming', id, () =>
      this.#db.pool.query<{ outcome: QuotaExceeded | { resuming: true } | null }>(statement),
    )
    const outcome = rows[0]?.outcome
    if (outcome && 'quota' in outcome) throw quotaExceeded(outcome)
    return outcome !== null
  }

  /** Undefined when it is not resuming any more. */
  markResumed(id: string, expiresAt: Date): Promise<Sandbox | undefined> {
    return this.#change({
      name: 'resumed',
      set: "state = 'running', paused_memory = null, paused_at = null, remaining_ms = null, expires_at = $4",
      where: "state = 'resuming'",
      values: [expiresAt],
      id,
      event: { type: 'sandbox.resumed', data: { expiresAt: expiresAt.toISOString() } },
    })
  }

  /** It could not be brought back, and is paused as before. */
  markNotResumed(id: string): Promise<Sandbox | undefined> {
    return this.#change({ name: 'not-resumed', set: "state = 'paused'", where: "state = 'resuming'", values: [], id })
  }

  /** All copies run, and `source` was forked: one statement. Answers the copies that nobody deleted meanwhile. */
  async markForked(
    source: Sandbox,
    copies: readonly { id: string; instanceId: string; runtime: Runtime }[],
  ): Promise<Sandbox[]> {
    const statement = {
      name: 'sandbox-fork',
      text: `with changed as (
          update sandboxes s set state = 'running', instance_id = copy.instance, runtime = copy.runtime, warm = false,
            network = $4, lifecycle = $5
          from jsonb_to_recordset($2::jsonb) as copy(id text, instance text, runtime jsonb)
          where s.id = copy.id and s.state = 'starting' returning s.*),
        told as (${appendEvents(`
          select 'sandbox.created', account_id, id, jsonb_build_object('template', template, 'driver', runtime->'driver',
            'isolation', runtime->'isolation', 'warm', false, 'limits', limits,
            'from', jsonb_build_object('sandbox', $1::text)) from changed
          union all
          select 'sandbox.forked', $3::text, $1::text, jsonb_build_object('copies', (select jsonb_agg(id) from changed))
          where exists (select from changed)`)})
        select * from changed`,
      values: [
        source.id,
        JSON.stringify(copies.map(({ id, instanceId, runtime }) => ({ id, instance: instanceId, runtime }))),
        source.accountId,
        JSON.stringify(source.network),
        JSON.stringify(source.lifecycle),
      ],
    }
    const { rows } = await step('sandbox.fork', source.id, () => this.#db.pool.query<SandboxRow>(statement))
    this.#db.told()
    return rows.map(sandboxOf)
  }

  /** Undefined where the account has none of this id. */
  find(accountId: string, id: string): Promise<Sandbox | undefined> {
    return this.#reads.find(accountId, id)
  }

  /** Whoever owns it: only for callers that check a right of another kind. */
  findOfAny(id: string): Promise<Sandbox | undefined> {
    return this.#reads.findOfAny(id)
  }

  list(accountId: string, filter: SandboxFilter, page: SandboxPage): Promise<Sandbox[]> {
    return this.#reads.list(accountId, filter, page)
  }

  count(accountId: string, filter: SandboxFilter): Promise<number> {
    return this.#reads.count(accountId, filter)
  }

  /** Ids of those that have a volume, of all accounts. */
  async withVolume(id: string): Promise<string[]> {
    const text = 'select id from sandboxes where ended_at is null and volumes @> $1::jsonb'
    const { rows } = await this.#db.pool.query<{ id: string }>(text, [JSON.stringify([{ id }])])
    return rows.map((row) => row.id)
  }

  /** Everything of this node that has not ended, of all accounts. */
  async unsettled(): Promise<Sandbox[]> {
    const rows = await this.#open().selectAll().execute()
    return rows.map(sandboxOf)
  }

  /** Those whose time is over, and those that are between two states. */
  async due(now: Date): Promise<Sandbox[]> {
    const rows = await this.#open()
      .selectAll()
      .where((is) =>
        is.or([is('expires_at', '<=', now), is('state', 'in', ['starting', 'pausing', 'resuming', 'stopping'])]),
      )
      .execute()
    return rows.map(sandboxOf)
  }

  /** Deletes at most `most` records of sandboxes that ended before that time; answers how many. */
  async forgetEnded(before: Date, most: number): Promise<number> {
    const statement = {
      name: 'sandbox-forget',
      text: 'delete from sandboxes where ctid = any(array(select ctid from sandboxes where ended_at < $1 limit $2))',
      values: [before, most],
    }
    const { rowCount } = await step('sandbox.forget', 'ended', () => this.#db.pool.query(statement))
    return rowCount ?? 0
  }

  /** When the next sandbox expires that has not expired by `now`. */
  async nextExpiry(now: Date): Promise<Date | undefined> {
    const row = await this.#open()
      .select((is) => is.fn.min('expires_at').as('next'))
      .where('expires_at', '>', now)
      .executeTakeFirst()
    return row?.next ?? undefined
  }

  #open() {
    return this.#db.kysely.selectFrom('sandboxes').where('ended_at', 'is', null).where(ofThisNode)
  }

  /**
   * One conditional change and the event that tells of it, in one statement. Its parameters: $1 the id, $2 and $3 type
   * and data of the event, from $4 on `values`.
   */
  async #change(change: Change): Promise<Sandbox | undefined> {
    const { name, set, where, values, id, event } = change
    if (!isSandboxId(id)) return undefined
    const statement = {
      name: `sandbox-${name}`,
      text: `with changed as (update sandboxes set ${set} where id = $1 and ${where} returning *),
        told as (${appendEvents('select $2::text, account_id, id, $3::jsonb from changed where $2 is not null')})
        select * from changed`,
      values: [id, event?.type ?? null, event ? JSON.stringify(event.data) : null, ...values],
    }
    const { rows } = await step(`sandbox.${name}`, id, () => this.#db.pool.query<SandboxRow>(statement))
    if (event && rows.length > 0) this.#db.told()
    return rows[0] && sandboxOf(rows[0])
  }
}

interface Change {
  /** Of the prepared statement. */
  name: string
  set: string
  where: string
  values: unknown[]
  id: string
  event?: EventBody<Event>
}

/** What is left of each kind of event when its account and subject are known. */
type EventBody<E> = E extends Event ? Pick<E, 'type' | 'data'> : never
