import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import { exponentOf } from './currency.ts'
import type { Plan } from './plan.ts'
import { findPlan } from './plans.ts'
import type { Subscription } from './segments.ts'

export interface BillingAccount {
  accountId: string
  currency: string
  softLimit: bigint | undefined
  hardLimit: bigint | undefined
}

interface Row {
  account_id: string
  currency: string
  soft_limit: string | null
  hard_limit: string | null
}

/** Undefined for an account that never had to do with money. */
export async function findBillingAccount(queries: Queries, accountId: string): Promise<BillingAccount | undefined> {
  const { rows } = await sql<Row>`select account_id, currency, soft_limit::text, hard_limit::text
    from billing_accounts where account_id = ${accountId}`.execute(queries)
  return rows[0] && toAccount(rows[0])
}

/** Makes it one that has to do with money. Its currency is chosen once; throws `conflict` where another is asked for later. */
export async function openBillingAccount(
  queries: Queries,
  accountId: string,
  { currency, now }: { currency: string; now: Date },
): Promise<BillingAccount> {
  exponentOf(currency)
  await step('billing.open_account', accountId, () =>
    sql`insert into billing_accounts (account_id, currency, created_at)
      values (${accountId}, ${currency}, ${now.toISOString()}) on conflict do nothing`.execute(queries),
  )
  const account = (await findBillingAccount(queries, accountId))!
  if (account.currency === currency) return account
  throw new WarrenError('conflict', `this account pays in ${account.currency}, not in ${currency}`, {
    hint: 'The currency of an account is chosen once.',
  })
}

/** The plans it took, oldest first. */
export async function subscriptionsOf(queries: Queries, accountId: string): Promise<Subscription[]> {
  const { rows } = await sql<
    { since: Date } & Plan
  >`select s.since, p.id, p.version, p.terms from billing_subscriptions s
    join billing_plans p on p.id = s.plan and p.version = s.version
    where s.account_id = ${accountId} order by s.since`.execute(queries)
  return rows.map(({ since, ...plan }) => ({ since, plan }))
}

/** Takes the newest version of a plan, from now on. */
export async function takePlan(
  { db, now }: { db: Database; now: () => Date },
  accountId: string,
  { plan: id, currency }: { plan: string; currency: string },
): Promise<Subscription> {
  const plan = await findPlan(db.kysely, id)
  if (!plan.terms.prices[currency])
    throw new WarrenError(
      'invalid_request',
      `plan ${id} has no price in ${currency}; it has in ${Object.keys(plan.terms.prices)}`,
    )
  return step('billing.take_plan', accountId, () =>
    db.transaction(async (tx) => {
      await openBillingAccount(tx, accountId, { currency, now: now() })
      // One after the other, and never before the end of what was invoiced.
      await sql`select from billing_accounts where account_id = ${accountId} for update`.execute(tx)
      const current = (await subscriptionsOf(tx, accountId)).at(-1)
      if (current?.plan.id === plan.id && current.plan.version === plan.version) return current
      const since = now()
      const { numAffectedRows } = await sql`insert into billing_subscriptions (account_id, since, plan, version)
        select ${accountId}, ${since.toISOString()}, ${plan.id}, ${plan.version}
        where not exists (select from billing_subscriptions where account_id = ${accountId} and since >= ${since})
        and not exists (select from billing_invoices where account_id = ${accountId} and kind = 'invoice' and period_end > ${since})
        `.execute(tx)
      if (numAffectedRows !== 1n)
        throw new WarrenError('conflict', 'the clock of the server is behind what was recorded before; try again later')
      return { since, plan }
    }),
  )
}

/**
 * What the account spends in a month at most: told of at the soft limit, refused at the hard one. Null takes a limit away, undefined leaves
 * it. Throws `conflict` where the account pays in another currency by now.
 */
export async function setLimits(
  { db, now }: { db: Database; now: () => Date },
  { accountId, currency }: Pick<BillingAccount, 'accountId' | 'currency'>,
  { soft, hard }: { soft?: bigint | null | undefined; hard?: bigint | null | undefined },
): Promise<void> {
  const set = (column: string, limit: bigint | null | undefined) =>
    limit === undefined ? sql.raw(column) : sql`${limit === null ? null : String(limit)}::bigint`
  await step('billing.set_limits', accountId, () =>
    db.transaction(async (tx) => {
      await openBillingAccount(tx, accountId, { currency, now: now() })
      await sql`update billing_accounts set soft_limit = ${set('soft_limit', soft)}, hard_limit = ${set('hard_limit', hard)},
        warned_for = null, stopped_for = null where account_id = ${accountId}`.execute(tx)
    }),
  )
}

/** All that have a limit. */
export async function limitedAccounts(
  queries: Queries,
): Promise<(BillingAccount & { warnedFor: Date | undefined; stoppedFor: Date | undefined })[]> {
  const { rows } = await sql<Row & { warned_for: Date | null; stopped_for: Date | null }>`
    select account_id, currency, soft_limit::text, hard_limit::text, warned_for, stopped_for
    from billing_accounts where soft_limit is not null or hard_limit is not null`.execute(queries)
  return rows.map((row) => ({
    ...toAccount(row),
    warnedFor: row.warned_for ?? undefined,
    stoppedFor: row.stopped_for ?? undefined,
  }))
}

function toAccount(row: Row): BillingAccount {
  return {
    accountId: row.account_id,
    currency: row.currency,
    softLimit: row.soft_limit === null ? undefined : BigInt(row.soft_limit),
    hardLimit: row.hard_limit === null ? undefined : BigInt(row.hard_limit),
  }
}
