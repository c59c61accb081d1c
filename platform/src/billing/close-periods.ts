import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { draftInvoice } from './draft-invoice.ts'
import type { Invoice } from './invoice.ts'
import { issueInvoice } from './issue-invoice.ts'
import { monthOf, nextMonth } from './segments.ts'

interface Deps {
  db: Database
  now: () => Date
  logger: Logger
}

/** Everything of an account until `periodEnd` that is on no invoice yet, as one invoice; or the one there is under `key`. */
export async function invoice(
  deps: Omit<Deps, 'logger'>,
  accountId: string,
  periodEnd: Date,
  key?: string,
): Promise<Invoice> {
  return issueInvoice(deps, accountId, await draftInvoice(deps, accountId, periodEnd, key))
}

/** Issues what a crash left drafted, then an invoice for each month that is over, of each account that has a plan. */
export async function closePeriods(deps: Deps): Promise<Invoice[]> {
  const { db, now, logger } = deps
  const issued: Invoice[] = []
  const attempt = async (accountId: string, work: () => Promise<Invoice>) => {
    try {
      issued.push(await work())
      return true
    } catch (error) {
      const expected = error instanceof WarrenError && error.code === 'conflict'
      if (!expected)
        logger.error({ err: error, account: accountId }, 'an invoice could not be issued; it is tried again')
      return false
    }
  }
  const drafts = await sql<{ account_id: string; id: string }>`select account_id, id from billing_invoices
    where state = 'drafted'`.execute(db.kysely)
  for (const { account_id, id } of drafts.rows) await attempt(account_id, () => issueInvoice(deps, account_id, id))

  const { rows } = await sql<{ account_id: string; until: Date }>`select account_id, coalesce(
      (select max(period_end) from billing_invoices i where i.account_id = s.account_id and kind = 'invoice'), min(since)) as until
    from billing_subscriptions s group by account_id order by account_id`.execute(db.kysely)
  for (const { account_id, until } of rows) {
    for (let end = nextMonth(monthOf(until)); end <= now(); end = nextMonth(end))
      if (!(await attempt(account_id, () => invoice(deps, account_id, end)))) break
  }
  return issued
}
