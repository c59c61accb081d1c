import { sql } from 'kysely'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { RecordUsage } from '../../metering/usage-fact.ts'
import { takePlan } from '../billing-account.ts'
import { invoice } from '../close-periods.ts'
import { showMoney } from '../money.ts'
import { createPayment, goOn, type PaymentDeps } from '../payments/create-payment.ts'
import { takeNotice } from '../payments/take-notice.ts'
import { verify } from '../verify/verify.ts'
import { bindCard, confirmCard } from './cards.ts'
import { endDay, type Netting } from './day-end.ts'
import { exchange, openReserves } from './exchange.ts'
import { capture, findOrder, payOut } from './orders.ts'
import { type BankDeps, noticeOf, pushNotices, sandboxBank } from './sandbox-bank.ts'

export interface DemoStep {
  step: string
  what: string
  amount?: string
}

interface DemoDeps extends BankDeps {
  /** Records use. Billing only reads it. */
  recordUsage: RecordUsage
}

const hour = 3_600_000
/** So that every day that is open counts as over. */
const farAway = (now: Date) => new Date(now.getTime() + 36_500 * 24 * hour)

/**
 * Walks a payment across borders from the use of a sandbox to the account of the payee, with an account made for it and money
 * that is none. Everything else in the ledger stays as it is. Throws where a step does not do what it should.
 */
export async function demo(given: DemoDeps): Promise<DemoStep[]> {
  const bank = sandboxBank(given)
  const deps: PaymentDeps & DemoDeps = { ...given, providers: new Map([[bank.name as string, bank]]) }
  const { db, now } = deps
  const account = newId('demo')
  const steps: DemoStep[] = []
  const tell = (step: string, what: string, minor?: bigint, currency = 'USD') => {
    const money = minor === undefined ? undefined : showMoney({ currency, minor })
    steps.push({ step, what, ...(money ? { amount: `${money.amount} ${money.currency}` } : {}) })
  }
  await openReserves(deps)

  await takePlan(deps, account, { plan: 'basic', currency: 'USD' })
  tell('plan', `organisation ${account} takes basic`)
  const endedAt = new Date(now().getTime() + 1)
  const used = { accountId: account, kind: 'sandbox' as const, endedAt, cpuMs: 20_000 * hour }
  const facts = [100, 200, 300].map((hours, index) => ({
    ...used,
    key: `${account}/${index}`,
    subject: `demo-sandbox-${index}`,
    startedAt: new Date(endedAt.getTime() - hours * hour),
  }))
  await db.transaction((tx) => deps.recordUsage(tx, facts))
  tell('use', '3 facts of use: 600 hours of sandboxes, 60000 hours of processors')
  await passed(endedAt, now)
  const bill = await invoice(deps, account, now())
  tell('invoice', `${bill.number} of ${bill.facts} facts is issued`, bill.total)

  const { card, code } = await bindCard(deps, account, { number: '4242424242424242', currency: 'CNY' })
  const wrong = await confirmCard(deps, account, { id: card.id, code: code === '000000' ? '000001' : '000000' }).catch(
    String,
  )
  tell('card', `card *${card.last4} in CNY: a wrong one-time code is refused (${String(wrong).split(':')[0]})`)
  await confirmCard(deps, account, { id: card.id, code })
  tell('card', `the right code ${code} binds it`)

  const pay = () => createPayment(deps, account, { key: 'demo-1', provider: 'bank', invoice: bill.id, method: card.id })
  const { payment } = await pay()
  const order = (await findOrder(db.kysely, sql`request = ${payment.id}`))!
  tell(
    'authorise',
    `the bank holds what it costs and answers a token (${order.token.slice(0, 8)}…)`,
    order.pay,
    order.payCurrency,
  )
  const again = await pay()
  check(again.payment.id === payment.id, 'sending the payment again made another')
  tell('pay', `the token is handed in: ${payment.state}; sent again it is the same payment`)
  const polled = await goOn(deps, payment)
  tell('poll', `asked how it is: ${polled.payment.state}`)
  await capture(deps)
  const captured = (await findOrder(db.kysely, sql`id = ${order.id}`))!
  tell(
    'capture',
    `the bank takes what it held and tells the clearing house: ${captured.state}`,
    order.pay,
    order.payCurrency,
  )
  const notice = noticeOf(deps, captured)
  const forged = await takeNotice(deps, 'bank', { ...notice, body: Buffer.from(`${notice.body} `) }).catch(String)
  tell('push', `a forged notice is refused (${String(forged).split(':')[0]})`)
  await pushNotices(deps, (one) => takeNotice(deps, 'bank', one))
  check(!(await takeNotice(deps, 'bank', notice)), 'a notice that was replayed changed something')
  const paid = await goOn(deps, payment)
  tell(
    'push',
    `the notice is taken in, and once more changes nothing: ${(await state(deps, payment.id)) ?? paid.payment.state}`,
    bill.total,
  )

  const settle = async (title: string) => {
    let nettings: Netting[]
    do {
      nettings = await endDay(deps, farAway(now()))
      for (const { day, bank: name, currency, net, records } of nettings)
        tell(title, `${day}: ${records} records of ${name}, netted and settled over its reserve account`, net, currency)
    } while (nettings.length > 0)
  }
  await settle('day end')
  for (const { sell, sellCurrency, buy, buyCurrency, fee } of await exchange(deps)) {
    tell('exchange', 'the reserve is below its threshold: first order, sell', sell, sellCurrency)
    tell('exchange', 'second order, buy', buy, buyCurrency)
    tell('exchange', 'fee of the dealer', fee, sellCurrency)
  }
  for (const { id, payee, payeeCurrency } of await payOut(deps))
    tell('payout', `order ${id} to the payee`, payee, payeeCurrency)
  await settle('day end')
  const { difference, postings, invoices, facts: seen } = await verify(db)
  tell('reconcile', `${seen} facts, ${invoices} invoices, ${postings} postings: difference ${difference}`)
  return steps
}

async function state({ db }: BankDeps, id: string): Promise<string | undefined> {
  const { rows } = await sql<{ state: string }>`select state from billing_payments where id = ${id}`.execute(db.kysely)
  return rows[0]?.state
}

/** The facts must have ended before the invoice does. */
async function passed(time: Date, now: () => Date): Promise<void> {
  while (now() <= time) await new Promise((resolve) => setTimeout(resolve, 1))
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new WarrenError('internal', otherwise)
}
