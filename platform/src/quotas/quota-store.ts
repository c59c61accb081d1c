import { sql } from 'kysely'
import { appendEvents } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import { type Quota, type QuotaDefaults, type QuotaExceeded, type QuotaName, quotaNames } from './quota.ts'

/** A part of a quota that somebody holds. */
export interface Reservation {
  accountId: string
  name: QuotaName
  /** Whoever reserves again under the same name changes its reservation. */
  holder: string
  amount: number
  /** From then on it does not count, whoever forgot to give it back. Absent: it is given back with the record that it is of. */
  until?: Date
}

/** Processors and memory that an organisation has beside its sandboxes. */
export interface Held {
  id: string
  accountId: string
  kind: 'function' | 'build'
  cpuCores: number
  memoryMb: number
}

/** The records of quotas: the one writer of their tables. */
export class QuotaStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** With what is used of each, in their order. */
  async read(accountId: string, defaults: QuotaDefaults, now: Date): Promise<Quota[]> {
    const { rows } = await this.#db.pool.query<{ own: Numbers | null; planned: number | null; used: Numbers }>({
      name: 'quota-read',
      text: `select (select jsonb_object_agg(name, most) from quotas where account_id = $1) as own,
        plan_concurrency($1)::float8 as planned,
        (select jsonb_build_object('sandboxes', places, 'cpuCores', cores, 'memoryMb', memory)
          from cores_and_memory_of($1, null))
        || jsonb_build_object('builds', (select count(*) from held_instances where account_id = $1 and kind = 'build'),
          'storageMb', storage_of($1), 'egressMbPerDay',
            (select round(bytes / 1048576.0, 3) from egress_days where account_id = $1 and day = ($2::timestamptz at time zone 'UTC')::date))
        || coalesce((select jsonb_object_agg(name, held) from (select name, sum(amount) as held from quota_reservations
            where account_id = $1 and until > $2 group by name) as held), '{}') as used`,
      values: [accountId, now],
    })
    const { own, planned, used } = rows[0]!
    const given = {
      ...defaults,
      ...(planned !== null && { sandboxes: Math.min(planned, defaults.sandboxes ?? planned) }),
    }
    return quotaNames.map((name) => ({
      name,
      most: own?.[name] ?? given[name],
      used: used[name] ?? 0,
      isOwn: own?.[name] !== undefined,
    }))
  }

  async most(accountId: string, name: QuotaName): Promise<number | undefined> {
    const { rows } = await this.#db.pool.query<{ most: string }>({
      name: 'quota-most',
      text: 'select most from quotas where account_id = $1 and name = $2',
      values: [accountId, name],
    })
    return rows[0] && Number(rows[0].most)
  }

  /** What holds for an account in a transaction that goes on; infinite where nobody set anything. */
  async mostWithin(tx: Queries, subject: Pick<Reservation, 'accountId' | 'name'>, defaults: QuotaDefaults) {
    const { accountId, name } = subject
    const { rows } = await sql<{ most: string }>`select quota_of(${accountId}, ${name},
      ${JSON.stringify(defaults)}::jsonb) as most`.execute(tx)
    return Number(rows[0]!.most)
  }

  /** All of them or none, and the event that tells of them: one statement. */
  async set(accountId: string, quotas: Partial<Record<QuotaName, number | null>>): Promise<void> {
    const entries = Object.entries(quotas)
    if (entries.length === 0) return
    const statement = {
      name: 'quota-set',
      text: `with given as (select key as name, (value #>> '{}')::numeric as most from jsonb_each($2::jsonb)),
        reset as (delete from quotas q using given g where q.account_id = $1 and q.name = g.name and g.most is null),
        changed as (insert into quotas (account_id, name, most) select $1, name, most from given where most is not null
          on conflict (account_id, name) do update set most = excluded.most)
        ${appendEvents("select 'quota.changed', $1::text, $1::text, jsonb_build_object('quotas', $2::jsonb)")}`,
      values: [accountId, JSON.stringify(quotas)],
    }
    await step('quota.set', accountId, () => this.#db.pool.query(statement))
    this.#db.told()
  }

  /**
   * Undefined when it is reserved. Of any number of callers at once no more get a part than there are. In a transaction the
   * others of the account wait for its end.
   */
  async reserve(
    { accountId, name, holder, amount, until }: Reservation,
    { defaults, now, within = this.#db.kysely }: { defaults: QuotaDefaults; now: Date; within?: Queries | undefined },
  ): Promise<QuotaExceeded | undefined> {
    const [end, otherwise] = [until?.toISOString() ?? 'infinity', JSON.stringify(defaults)]
    const { rows } = await step('quota.reserve', holder, () =>
      sql<{ beyond: QuotaExceeded | null }>`select reserve_quota(${accountId}, ${name}, ${holder}, ${amount}, ${end},
        ${now.toISOString()}, ${otherwise}) as beyond`.execute(within),
    )
    return rows[0]?.beyond ?? undefined
  }

  async release(
    { accountId, name, holder }: Pick<Reservation, 'accountId' | 'name' | 'holder'>,
    within: Queries = this.#db.kysely,
  ): Promise<void> {
    await step('quota.release', holder, () =>
      sql`delete from quota_reservations
        where account_id = ${accountId} and name = ${name} and holder = ${holder}`.execute(within),
    )
  }

  /** Undefined when it is recorded. As `reserve`, and together with what sandboxes have. */
  async hold(
    { id, accountId, kind, cpuCores, memoryMb }: Held,
    defaults: QuotaDefaults,
  ): Promise<QuotaExceeded | undefined> {
    const statement = {
      name: 'quota-hold',
      text: 'select hold_instance($1, $2, $3, $4, $5, $6) as beyond',
      values: [id, accountId, kind, cpuCores, memoryMb, JSON.stringify(defaults)],
    }
    const { rows } = await step('quota.hold', id, () =>
      this.#db.pool.query<{ beyond: QuotaExceeded | null }>(statement),
    )
    return rows[0]?.beyond ?? undefined
  }

  async letGo(ids: readonly string[] | 'all'): Promise<void> {
    const text = 'delete from held_instances where $1::text[] is null or id = any($1)'
    const statement = { name: 'quota-let-go', text, values: [ids === 'all' ? null : ids] }
    await step('quota.let_go', ids === 'all' ? ids : ids[0]!, () => this.#db.pool.query(statement))
  }

  /** Bytes that were sent on that day. They are counted where samples of sandboxes are recorded: see migration 0042. */
  async egress(accountId: string, now: Date): Promise<number> {
    const { rows } = await this.#db.pool.query<{ bytes: string }>({
      name: 'quota-egress',
      text: `select bytes from egress_days where account_id = $1 and day = ($2::timestamptz at time zone 'UTC')::date`,
      values: [accountId, now],
    })
    return Number(rows[0]?.bytes ?? 0)
  }

  /** Days that are over long since. */
  async forgetEgress(before: Date, most: number): Promise<number> {
    const statement = {
      name: 'quota-forget',
      text: 'delete from egress_days where ctid = any(array(select ctid from egress_days where day < $1::date limit $2))',
      values: [before, most],
    }
    return (await step('quota.forget', 'egress', () => this.#db.pool.query(statement))).rowCount ?? 0
  }
}

type Numbers = Partial<Record<QuotaName, number>>
