import { sql } from 'kysely'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import { halfEven } from '../half-even.ts'
import { post } from '../ledger.ts'
import { bankCurrencies, convert, rateOf, reserveOf } from './currencies.ts'
import { reserveHeld } from './orders.ts'
import type { BankDeps } from './sandbox-bank.ts'

export interface Exchange {
  id: string
  sellCurrency: string
  sell: bigint
  buyCurrency: string
  buy: bigint
  fee: bigint
}

interface Row {
  id: string
  sell_currency: string
  sell: string
  buy_currency: string
  buy: string
  fee: string
  state: 'ordered' | 'sold' | 'bought'
}

/** Of what is sold, in hundredths of a percent. */
const feePoints = 30n

/**
 * Buys again what the reserves have too little of, as one batch for each currency, with what another has too much of. An
 * exchange is two orders, each on its own: what a crash leaves between them is gone on with.
 */
export async function exchange(deps: BankDeps): Promise<Exchange[]> {
  for (const buyCurrency of bankCurrencies) await orderFor(deps, buyCurrency)
  const { rows } =
    await sql<Row>`select id, sell_currency, sell_amount::text as sell, buy_currency, buy_amount::text as buy,
    fee::text, state from bank_exchanges where state <> 'bought' order by ordered_at, id`.execute(deps.db.kysely)
  const done: Exchange[] = []
  for (const row of rows) {
    const one = { ...exchangeOf(row) }
    if (row.state === 'ordered') await sell(deps, one)
    await buy(deps, one)
    done.push(one)
  }
  return done
}

/** What the payment institution begins with. Once. */
export async function openReserves({ db, now }: BankDeps): Promise<void> {
  for (const currency of ['USD', 'CNY']) {
    const minor = reserveOf(currency).target
    const entries = [
      { account: 'bank:central:bridge', currency, minor },
      { account: 'bank:capital:bridge', currency, minor: -minor },
    ]
    await db.transaction((tx) => post(tx, { key: `bank:open:${currency}`, at: now(), entries }))
  }
}

async function orderFor({ db, now }: BankDeps, buyCurrency: string): Promise<void> {
  const { target, threshold } = reserveOf(buyCurrency)
  await step('bank.order_exchange', buyCurrency, () =>
    db.transaction(async (tx) => {
      await sql`lock table bank_exchanges in exclusive mode`.execute(tx)
      const { rows } = await sql`select from bank_exchanges where state <> 'bought'`.execute(tx)
      const wanted = await sql<{ owed: string }>`select coalesce(sum(payee_amount), 0)::text as owed from bank_orders
        where payee_currency = ${buyCurrency} and state = 'settled'`.execute(tx)
      const held = (await reserveHeld(tx, buyCurrency)) - BigInt(wanted.rows[0]!.owed)
      if (rows.length > 0 || held >= threshold) return
      for (const sellCurrency of bankCurrencies.filter((currency) => currency !== buyCurrency)) {
        const spare = (await reserveHeld(tx, sellCurrency)) - reserveOf(sellCurrency).target
        const affordable = convert((spare * 10_000n) / (10_000n + feePoints), sellCurrency, buyCurrency)
        const amount = target - held < affordable ? target - held : affordable
        const price = convert(amount, buyCurrency, sellCurrency)
        if (amount <= 0n || price <= 0n) continue
        const { numerator, denominator } = rateOf(buyCurrency, sellCurrency)
        await sql`insert into bank_exchanges (id, sell_currency, sell_amount, buy_currency, buy_amount, fee, rate_numerator,
            rate_denominator, state, ordered_at)
          values (${newId('fx')}, ${sellCurrency}, ${String(price)}, ${buyCurrency}, ${String(amount)},
            ${String(halfEven(price * feePoints, 10_000n))}, ${String(numerator)}, ${String(denominator)}, 'ordered',
            ${now().toISOString()})`.execute(tx)
        return
      }
    }),
  )
}

/** The first order: what is sold goes over our account at the dealer to the dealer's, and the fee with it. */
function sell({ db, now }: BankDeps, { id, sellCurrency: currency, sell: sold, fee }: Exchange): Promise<void> {
  return step('bank.sell', id, () =>
    db.transaction(async (tx) => {
      const entries = [
        { account: 'bank:central:bridge', currency, minor: -(sold + fee) },
        { account: 'bank:fx:bridge', currency, minor: sold + fee },
        { account: 'bank:fx:bridge', currency, minor: -(sold + fee) },
        { account: 'bank:fx:dealer', currency, minor: sold },
        { account: 'bank:fx:fees', currency, minor: fee },
      ].filter(({ minor }) => minor !== 0n)
      await post(tx, { key: `bank:sell:${id}`, at: now(), entries })
      await sql`update bank_exchanges set state = 'sold' where id = ${id} and state = 'ordered'`.execute(tx)
    }),
  )
}

/** The second order: what is bought comes the other way, in the other currency. */
function buy({ db, now }: BankDeps, { id, buyCurrency: currency, buy: bought }: Exchange): Promise<void> {
  return step('bank.buy', id, () =>
    db.transaction(async (tx) => {
      const entries = [
        { account: 'bank:fx:dealer', currency, minor: -bought },
        { account: 'bank:fx:bridge', currency, minor: bought },
        { account: 'bank:fx:bridge', currency, minor: -bought },
        { account: 'bank:central:bridge', currency, minor: bought },
      ]
      await post(tx, { key: `bank:buy:${id}`, at: now(), entries })
      await sql`update bank_exchanges set state = 'bought' where id = ${id} and state = 'sold'`.execute(tx)
    }),
  )
}

function exchangeOf(row: Row): Exchange {
  const { id, sell_currency, buy_currency } = row
  const [sold, bought, fee] = [BigInt(row.sell), BigInt(row.buy), BigInt(row.fee)]
  return { id, sellCurrency: sell_currency, sell: sold, buyCurrency: buy_currency, buy: bought, fee }
}
