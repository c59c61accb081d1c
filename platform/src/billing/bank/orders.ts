import { randomBytes } from 'node:crypto'
import { sql, type Transaction } from 'kysely'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { Queries } from '../../storage/database.ts'
import type { Tables } from '../../storage/tables.ts'
import { balanceOf, lockAccount, post } from '../ledger.ts'
import type { Payment } from '../payments/payment.ts'
import { boundCard } from './cards.ts'
import { bankOf, convert } from './currencies.ts'
import type { BankDeps } from './sandbox-bank.ts'

export interface Order {
  id: string
  token: string
  request: string
  owner: string
  payCurrency: string
  pay: bigint
  payeeCurrency: string
  payee: bigint
  state: 'authorised' | 'accepted' | 'captured' | 'settled' | 'paid_out' | 'declined'
  told: boolean
}

/** What the payer pays for the exchange, in hundredths. */
const margin = 101n

/** Holds what a payment costs on the account of its payer. Asked again for the same payment it is the same order. */
export async function authorise(deps: BankDeps, payment: Payment): Promise<Order> {
  const card = await boundCard(deps, payment.accountId, payment.method)
  const { db, now } = deps
  const exchanged = convert(payment.minor, payment.currency, card.currency)
  const isForeign = card.currency !== payment.currency
  const cost = isForeign ? (exchanged * margin) / 100n || 1n : payment.minor
  return step('bank.authorise', payment.id, () =>
    db.transaction(async (tx) => {
      const customer = `bank:customer:${payment.accountId}`
      await lockAccount(tx, customer, card.currency)
      const known = await findOrder(tx, sql`request = ${payment.id}`)
      if (known) return known
      const covered = -(await balanceOf(tx, customer, card.currency)) >= cost
      const [id, token] = [newId('order'), randomBytes(24).toString('base64url')]
      await sql`insert into bank_orders (id, token, card, request, pay_currency, pay_amount, payee_currency, payee_amount, state,
          created_at)
        values (${id}, ${token}, ${card.id}, ${payment.id}, ${card.currency}, ${String(cost)}, ${payment.currency},
          ${String(payment.minor)}, ${covered ? 'authorised' : 'declined'}, ${now().toISOString()})`.execute(tx)
      if (covered)
        await move(
          tx,
          `bank:authorise:${id}`,
          { from: customer, to: 'bank:holds', currency: card.currency, minor: cost },
          now(),
        )
      return (await findOrder(tx, sql`id = ${id}`))!
    }),
  )
}

/** Whoever has the token may have it paid. It is done later. */
export async function accept({ db }: BankDeps, token: string): Promise<void> {
  await step('bank.accept', token.slice(0, 8), () =>
    sql`update bank_orders set state = 'accepted' where token = ${token} and state = 'authorised'`.execute(db.kysely),
  )
}

/** Takes what is held for each order that was accepted, and tells the clearing house. Answers how many. */
export async function capture({ db, now }: BankDeps): Promise<number> {
  const { rows } = await sql<{
    id: string
  }>`select id from bank_orders where state = 'accepted' order by created_at, id`.execute(db.kysely)
  for (const { id } of rows) {
    await step('bank.capture', id, () =>
      db.transaction(async (tx) => {
        const order = (await findOrder(tx, sql`id = ${id}`, true))!
        if (order.state !== 'accepted') return
        await sql`update bank_orders set state = 'captured' where id = ${id}`.execute(tx)
        const { pay: minor, payCurrency: currency } = order
        const bank = bankOf(currency)
        await recordClearing(tx, { id: `capture:${id}`, order: id, from: bank, to: 'bridge', currency, minor }, now())
        const entries = [
          { account: 'bank:holds', currency, minor },
          { account: `bank:clearing:${bank}`, currency, minor: -minor },
          { account: 'bank:clearing:bridge', currency, minor },
          { account: 'bank:owed:bridge', currency, minor: -minor },
        ]
        await post(tx, { key: `bank:capture:${id}`, at: now(), entries })
      }),
    )
  }
  return rows.length
}

/** Pays out to the payee, in the payee's currency, what was settled and what the reserve holds. Answers the orders. */
export async function payOut({ db, now }: BankDeps): Promise<Order[]> {
  const { rows } = await sql<{
    id: string
  }>`select id from bank_orders where state = 'settled' order by created_at, id`.execute(db.kysely)
  const paid: Order[] = []
  for (const { id } of rows) {
    await step('bank.pay_out', id, () =>
      db.transaction(async (tx) => {
        const order = (await findOrder(tx, sql`id = ${id}`, true))!
        const { pay, payCurrency, payee: minor, payeeCurrency: currency } = order
        await lockAccount(tx, 'bank:central:bridge', currency)
        if (order.state !== 'settled' || (await reserveHeld(tx, currency)) < minor) return
        await sql`update bank_orders set state = 'paid_out' where id = ${id}`.execute(tx)
        const bank = bankOf(currency)
        await recordClearing(tx, { id: `payout:${id}`, order: id, from: 'bridge', to: bank, currency, minor }, now())
        const entries = [
          { account: 'bank:owed:bridge', currency: payCurrency, minor: pay },
          { account: 'bank:position:bridge', currency: payCurrency, minor: -pay },
          { account: 'bank:position:bridge', currency, minor },
          { account: 'bank:clearing:bridge', currency, minor: -minor },
          { account: `bank:clearing:${bank}`, currency, minor },
          { account: 'bank:merchant', currency, minor: -minor },
        ]
        await post(tx, { key: `bank:payout:${id}`, at: now(), entries })
        paid.push({ ...order, state: 'paid_out' })
      }),
    )
  }
  return paid
}

/** What the payment institution has at the central bank, less what it still has to clear. */
export async function reserveHeld(queries: Queries, currency: string): Promise<bigint> {
  return (
    (await balanceOf(queries, 'bank:central:bridge', currency)) +
    (await balanceOf(queries, 'bank:clearing:bridge', currency))
  )
}

export async function findOrder(
  queries: Queries,
  where: ReturnType<typeof sql>,
  lock = false,
): Promise<Order | undefined> {
  return (await orders(queries, where, lock))[0]
}

/** Those whose end is known and of which nobody was told. */
export function untold(queries: Queries): Promise<Order[]> {
  return orders(queries, sql`not told and state not in ('authorised', 'accepted')`)
}

async function orders(queries: Queries, where: ReturnType<typeof sql>, lock = false): Promise<Order[]> {
  const { rows } = await sql<
    Record<'id' | 'token' | 'request' | 'owner' | 'pay_currency' | 'pay' | 'payee_currency' | 'payee', string> &
      Pick<Order, 'state' | 'told'>
  >`
    select o.id, o.token, o.request, c.owner, o.pay_currency, o.pay_amount::text as pay, o.payee_currency,
      o.payee_amount::text as payee, o.state, o.told
    from (select * from bank_orders where ${where} ${lock ? sql`for update` : sql``}) o join bank_cards c on c.id = o.card`.execute(
    queries,
  )
  return rows.map(({ pay_currency, payee_currency, pay, payee, ...row }) => ({
    ...row,
    payCurrency: pay_currency,
    pay: BigInt(pay),
    payeeCurrency: payee_currency,
    payee: BigInt(payee),
  }))
}

/** On the day that is open: what comes after its end is of the next one. */
async function recordClearing(
  tx: Transaction<Tables>,
  record: { id: string; order: string; from: string; to: string; currency: string; minor: bigint },
  now: Date,
): Promise<void> {
  // The end of the day waits for what is being recorded, and this for the end of the day.
  await sql`lock table bank_nettings in share mode`.execute(tx)
  await sql`insert into bank_clearing (id, order_id, day, from_bank, to_bank, currency, amount)
    select ${record.id}, ${record.order}, greatest(${now.toISOString().slice(0, 10)}::date, coalesce(max(day) + 1, 'epoch'::date)),
      ${record.from}, ${record.to}, ${record.currency}, ${String(record.minor)}::bigint from bank_nettings`.execute(tx)
}

function move(
  tx: Transaction<Tables>,
  key: string,
  { from, to, currency, minor }: { from: string; to: string; currency: string; minor: bigint },
  at: Date,
): Promise<boolean> {
  const entries = [
    { account: from, currency, minor },
    { account: to, currency, minor: -minor },
  ]
  return post(tx, { key, at, entries })
}
