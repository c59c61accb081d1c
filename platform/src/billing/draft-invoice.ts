import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import { findBillingAccount, subscriptionsOf } from './billing-account.ts'
import { findInvoiceByKey, invoicesInOrder } from './invoice-records.ts'
import { monthOf } from './segments.ts'

/**
 * Fixes which facts the next invoice of an account takes: those that ended before `periodEnd` and are written by now.
 * Answers its id; that of the draft there is, where a crash left one; that of the invoice that was asked for under `key`, where
 * there is one. Throws `conflict` where there is nothing after the last invoice.
 */
export async function draftInvoice(
  { db, now }: { db: Database; now: () => Date },
  accountId: string,
  periodEnd: Date,
  key?: string,
): Promise<string> {
  if (periodEnd > now())
    throw new WarrenError('invalid_request', `a period that ends at ${periodEnd.toISOString()} is not over yet`)
  const id = newId('in')
  return step('invoice.draft', id, () =>
    db.transaction(async (tx) => {
      const account = await findBillingAccount(tx, accountId)
      if (!account)
        throw new WarrenError('conflict', 'the account has no plan, so there is nothing to invoice', {
          hint: 'Take one: warren plan set basic',
        })
      await sql`select from billing_accounts where account_id = ${accountId} for update`.execute(tx)
      const known = key === undefined ? undefined : await findInvoiceByKey(tx, accountId, key)
      if (known) return known.id
      const invoices = await invoicesInOrder(tx, accountId)
      const draft = invoices.find(({ state }) => state === 'drafted')
      if (draft) return draft.id
      const last = invoices.at(-1)
      if (last && last.periodEnd >= periodEnd)
        throw new WarrenError('conflict', `the account is invoiced until ${last.periodEnd.toISOString()} already`)
      const firstPlan = (await subscriptionsOf(tx, accountId))[0]?.since
      const start = last?.periodEnd ?? monthOf(firstPlan && firstPlan < periodEnd ? firstPlan : periodEnd)
      // Whoever is writing facts is waited for: numbers are given out before they can be seen.
      await sql`lock table usage_facts in share mode`.execute(tx)
      await sql`insert into billing_invoices (id, account_id, kind, state, series, currency, period_start, period_end,
          from_seq, to_seq, drafted_at, key)
        select ${id}, ${accountId}, 'invoice', 'drafted', 'INV', ${account.currency}, ${start.toISOString()},
          ${periodEnd.toISOString()}, ${last?.toSeq ?? 0}, coalesce(max(seq), 0), ${now().toISOString()}, ${key ?? null}::text
        from usage_facts`.execute(tx)
      return id
    }),
  )
}
