import { sql, type Transaction } from 'kysely'
import { WarrenError } from '../../errors.ts'
import { appendEvent } from '../../events/outbox.ts'
import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import type { Tables } from '../../storage/tables.ts'
import { getInvoice } from '../invoice-records.ts'
import { post } from '../ledger.ts'
import type { Answer, Payment } from './payment.ts'
import { lockPayment, markPending, markSettled } from './payment-records.ts'

interface Deps {
  db: Database
  now: () => Date
}

/**
 * Records what a provider said, asked or by itself, once: of what is over nothing changes any more. Answers the payment as it is
 * then. Throws `conflict` where the provider speaks of another amount than was asked for: then nothing changed.
 */
export async function settlePayment(deps: Deps, id: string, answer: Answer): Promise<Payment> {
  return step('payment.settle', id, () => deps.db.transaction((tx) => settleIn(tx, deps, { id, answer })))
}

/** The same in a transaction of the caller. */
export async function settleIn(
  tx: Transaction<Tables>,
  { now }: Pick<Deps, 'now'>,
  { id, answer }: { id: string; answer: Answer },
): Promise<Payment> {
  const payment = await lockPayment(tx, id)
  if (payment.currency !== answer.currency || payment.minor !== answer.minor)
    throw new WarrenError(
      'conflict',
      `payment ${id} is of ${payment.minor} ${payment.currency}, and ${payment.provider} tells of ${answer.minor} ${answer.currency}`,
    )
  if (payment.state === 'succeeded' || payment.state === 'failed') return payment
  const { state, reference, reason } = answer
  if (state === 'pending') {
    await markPending(tx, id, { reference, reason })
    return lockPayment(tx, id)
  }
  const { accountId, provider, currency, minor } = payment
  const about = { accountId, subject: id }
  await markSettled(tx, id, { state, reference, reason, at: now() })
  if (state === 'succeeded') {
    const pays = await payInvoice(tx, payment)
    const cash = provider === 'wallet' ? `wallet:${accountId}` : `cash:${provider}`
    const entries = [
      { account: cash, currency, minor },
      { account: `${pays ? 'receivable' : 'wallet'}:${accountId}`, currency, minor: -minor },
    ]
    await post(tx, { key: `payment:${id}`, at: now(), entries, memo: { payment: id } })
    await appendEvent(tx, {
      ...about,
      type: 'payment.succeeded',
      data: { provider, currency, amountMinor: String(minor) },
    })
  } else {
    await appendEvent(tx, { ...about, type: 'payment.failed', data: { provider, reason: reason ?? 'refused' } })
  }
  return lockPayment(tx, id)
}

/** False where it was no invoice, or one that was paid or taken back in the meantime: then the money goes to the wallet. */
async function payInvoice(tx: Transaction<Tables>, { id, accountId, invoice: paid, minor }: Payment): Promise<boolean> {
  if (paid === undefined) return false
  await sql`select from billing_invoices where id = ${paid} for update`.execute(tx)
  const invoice = await getInvoice(tx, accountId, paid)
  if (invoice.state !== 'issued' || invoice.total - invoice.credited !== minor) return false
  await sql`update billing_invoices set state = 'paid' where id = ${paid}`.execute(tx)
  await appendEvent(tx, { type: 'invoice.paid', accountId, subject: paid, data: { payment: id } })
  return true
}
