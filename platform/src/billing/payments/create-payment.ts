import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import { openBillingAccount } from '../billing-account.ts'
import { getInvoice } from '../invoice-records.ts'
import { balanceOf, lockAccount } from '../ledger.ts'
import type { Money } from '../money.ts'
import { usedForAnother } from '../used-for-another.ts'
import type { Answer, Payment, PaymentProvider } from './payment.ts'
import { findByKey, insertPayment } from './payment-records.ts'
import { settleIn, settlePayment } from './settle-payment.ts'

export interface PaymentDeps {
  db: Database
  now: () => Date
  providers: ReadonlyMap<string, PaymentProvider>
}

export interface NewPayment {
  /** Sent again it is the same payment. */
  key: string
  provider: string
  /** What is to be paid: an invoice, or money into the wallet. */
  invoice?: string | undefined
  amount?: Money | undefined
  method?: string | undefined
}

type Created = { payment: Payment; clientSecret?: string }

/**
 * Pays an invoice or into the wallet. The payment is recorded before the provider hears of it. Sent again, also at the same time, it is
 * the same one. Throws `conflict` where the key was used for something else, the invoice is not to be paid or the wallet does not hold
 * enough: then nothing changed.
 */
export async function createPayment(deps: PaymentDeps, accountId: string, asked: NewPayment): Promise<Created> {
  const provider = deps.providers.get(asked.provider)
  if (!provider && asked.provider !== 'wallet')
    throw new WarrenError('invalid_request', `there is no way to pay called "${asked.provider}" here`, {
      hint: `There is: ${['wallet', ...deps.providers.keys()].join(', ')}.`,
    })
  const find = () => findByKey(deps.db.kysely, accountId, asked.key)
  const recorded =
    (await find()) ??
    (await record(deps, accountId, asked).catch(async (error) => {
      // What is in the way may be the same payment, sent at the same time.
      const first = await find()
      if (first) return first
      throw error
    }))
  return goOn(deps, checkSame(recorded, asked))
}

/** Asks the provider how it is with a payment, or for it once more. */
export async function goOn(deps: PaymentDeps, payment: Payment): Promise<Created> {
  const provider = deps.providers.get(payment.provider)
  if (!provider || payment.state === 'succeeded' || payment.state === 'failed') return { payment }
  return ask(deps, provider, payment)
}

async function ask(deps: PaymentDeps, provider: PaymentProvider, payment: Payment): Promise<Created> {
  const heard = payment.reference !== undefined
  const answer = await step('payment.ask', payment.id, () =>
    heard ? provider.status(payment) : provider.pay(payment),
  ).catch((error: Error): Answer => {
    // A no is the end of it; whoever cannot be reached is asked again.
    if (!(error instanceof WarrenError) || error.code === 'unavailable') throw error
    const { currency, minor, reference = payment.id } = payment
    return { state: 'failed', reference, currency, minor, reason: error.message }
  })
  const settled = await settlePayment(deps, payment.id, answer)
  return { payment: settled, ...(answer.clientSecret ? { clientSecret: answer.clientSecret } : {}) }
}

/** From the wallet it is paid then, too: money of ours needs nobody to answer. */
async function record(deps: PaymentDeps, accountId: string, asked: NewPayment): Promise<Payment> {
  const payment = await newPayment(deps, accountId, asked)
  if (payment.provider === 'wallet') return payFromWallet(deps, payment)
  const { id, purpose, currency } = payment
  const now = deps.now()
  return step('payment.create', id, () =>
    deps.db.transaction(async (tx) => {
      if (purpose === 'top_up') await openBillingAccount(tx, accountId, { currency, now })
      if (!(await insertPayment(tx, payment))) throw underWay()
      return payment
    }),
  )
}

async function newPayment({ db, now }: PaymentDeps, accountId: string, asked: NewPayment): Promise<Payment> {
  const base = { id: newId('pay'), accountId, key: asked.key, method: asked.method, state: 'created' as const }
  const rest = { reference: undefined, reason: undefined, createdAt: now(), settledAt: undefined }
  const provider = asked.provider as Payment['provider']
  if (asked.invoice === undefined) {
    if (!asked.amount || provider === 'wallet')
      throw new WarrenError('invalid_request', 'say which invoice, or how much goes from where into the wallet')
    if (asked.amount.minor <= 0n) throw new WarrenError('invalid_request', 'the amount must be above zero')
    return { ...base, ...rest, provider, purpose: 'top_up', invoice: undefined, ...asked.amount }
  }
  const { id, kind, state, currency, total, credited } = await getInvoice(db.kysely, accountId, asked.invoice)
  if (kind !== 'invoice' || state !== 'issued')
    throw new WarrenError('conflict', `what is ${state === 'issued' ? 'a credit note' : state} is not to be paid`)
  const minor = total - credited
  if (asked.amount && (asked.amount.currency !== currency || asked.amount.minor !== minor))
    throw new WarrenError(
      'conflict',
      `of this invoice ${minor} of the smallest unit of ${currency} are to be paid, at once`,
    )
  return { ...base, ...rest, provider, purpose: 'invoice', invoice: id, currency, minor }
}

async function payFromWallet({ db, now }: PaymentDeps, payment: Payment): Promise<Payment> {
  const { id, accountId, currency, minor } = payment
  return step('payment.wallet', id, () =>
    db.transaction(async (tx) => {
      await lockAccount(tx, `wallet:${accountId}`, currency)
      const held = -(await balanceOf(tx, `wallet:${accountId}`, currency))
      if (held < minor)
        throw new WarrenError(
          'conflict',
          `the wallet holds ${held} of the smallest unit of ${currency}, not ${minor}`,
          {
            hint: 'Top it up first.',
          },
        )
      const { state } = await getInvoice(tx, accountId, payment.invoice!)
      if (state !== 'issued') throw new WarrenError('conflict', `what is ${state} is not to be paid`)
      if (!(await insertPayment(tx, payment))) throw underWay()
      return settleIn(tx, { now }, { id, answer: { state: 'succeeded', reference: id, currency, minor } })
    }),
  )
}

function underWay(): WarrenError {
  return new WarrenError('conflict', 'a payment of that key is being made by another request')
}

function checkSame(known: Payment, { provider, invoice, amount, method }: NewPayment): Payment {
  const sameAmount = !amount || (amount.currency === known.currency && amount.minor === known.minor)
  if (known.provider === provider && known.invoice === invoice && known.method === method && sameAmount) return known
  throw usedForAnother(known.key, 'payment')
}
