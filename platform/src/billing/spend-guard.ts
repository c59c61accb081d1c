import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import { limitedAccounts } from './billing-account.ts'
import { invoicesInOrder } from './invoice-records.ts'
import { showMoney } from './money.ts'
import { preview } from './preview.ts'
import { monthOf } from './segments.ts'

type Limited = Awaited<ReturnType<typeof limitedAccounts>>[number]

/**
 * Keeps accounts below the limits they set. What is spent is counted now and then, where facts are, so that asking whether
 * something may start costs nothing; a limit holds from the next count on.
 */
export class SpendGuard {
  readonly #db: Database
  readonly #now: () => Date
  readonly #tells: boolean
  #stopped = new Map<string, string>()

  constructor({ db, now, tells }: { db: Database; now: () => Date; tells: boolean }) {
    this.#db = db
    this.#now = now
    this.#tells = tells
  }

  /** Throws `limit_exceeded` where the account has spent as much as it wants to at most. */
  mayStart(accountId: string): void {
    const reason = this.#stopped.get(accountId)
    if (reason === undefined) return
    throw new WarrenError('limit_exceeded', reason, {
      hint: 'Raise the limit: warren billing limits --hard AMOUNT. It begins anew with the next month.',
    })
  }

  /** The accounts that have. */
  get stopped(): string[] {
    return [...this.#stopped.keys()]
  }

  /** Counts what every account that has a limit has spent in this month. */
  async count(): Promise<void> {
    const stopped = new Map<string, string>()
    for (const account of await limitedAccounts(this.#db.kysely)) {
      const reason = await this.#look(account)
      if (reason !== undefined) stopped.set(account.accountId, reason)
    }
    this.#stopped = stopped
  }

  /** Why nothing may be started any more. */
  async #look(account: Limited): Promise<string | undefined> {
    const month = monthOf(this.#now())
    const spent = await spentSince(this.#db, account, this.#now())
    const { softLimit, hardLimit, currency, warnedFor, stoppedFor } = account
    if (softLimit !== undefined && spent >= softLimit && warnedFor?.getTime() !== month.getTime())
      await this.#tell(account, { limit: 'soft', spent, at: softLimit, month })
    if (hardLimit === undefined || spent < hardLimit) return undefined
    if (stoppedFor?.getTime() !== month.getTime())
      await this.#tell(account, { limit: 'hard', spent, at: hardLimit, month })
    const text = (minor: bigint) => `${showMoney({ currency, minor }).amount} ${currency}`
    return `the account has spent ${text(spent)} in this month, and its limit is ${text(hardLimit)}`
  }

  async #tell(
    { accountId, currency }: Limited,
    { limit, spent, at, month }: { limit: 'soft' | 'hard'; spent: bigint; at: bigint; month: Date },
  ): Promise<void> {
    if (!this.#tells) return
    const column = sql.raw(limit === 'soft' ? 'warned_for' : 'stopped_for')
    await step('billing.tell_limit', accountId, () =>
      this.#db.transaction(async (tx) => {
        await sql`update billing_accounts set ${column} = ${month.toISOString()} where account_id = ${accountId}`.execute(
          tx,
        )
        const data = { limit, currency, spentMinor: String(spent), limitMinor: String(at) }
        await appendEvent(tx, { type: 'spend_limit.reached', accountId, subject: accountId, data })
      }),
    )
  }
}

/** In the month of `now`: what was invoiced of it, and what an invoice would say now. */
export async function spentSince(
  { kysely }: Pick<Database, 'kysely'>,
  account: { accountId: string; currency: string },
  now: Date,
): Promise<bigint> {
  const invoiced = (await invoicesInOrder(kysely, account.accountId)).filter(
    ({ periodEnd }) => periodEnd > monthOf(now),
  )
  const { total } = await preview(kysely, account, now)
  return invoiced.reduce((sum, invoice) => sum + invoice.total, total)
}
