import { sql } from 'kysely'
import { step } from '../../lib/step.ts'
import { type Entry, post } from '../ledger.ts'
import type { BankDeps } from './sandbox-bank.ts'

export interface Netting {
  day: string
  bank: string
  currency: string
  /** Above zero: it receives. */
  net: bigint
  records: number
}

/**
 * Ends the oldest open day, if there is one that is over (`before` says which are): nets what every bank owes and is owed,
 * and settles the difference over its reserve account at the central bank. A day is ended once.
 */
export async function endDay({ db, now }: BankDeps, before: Date): Promise<Netting[]> {
  return step('bank.end_day', before.toISOString().slice(0, 10), () =>
    db.transaction(async (tx) => {
      await sql`lock table bank_nettings in exclusive mode`.execute(tx)
      const { rows } = await sql<{ day: string; bank: string; currency: string; net: string; records: number }>`
        with open as (select min(day) as day from bank_clearing c where day < ${before.toISOString().slice(0, 10)}::date
          and not exists (select from bank_nettings n where n.day = c.day)),
        sides as (
          select c.day, from_bank as bank, currency, -amount as amount from bank_clearing c join open on open.day = c.day
          union all select c.day, to_bank, currency, amount from bank_clearing c join open on open.day = c.day)
        insert into bank_nettings (day, bank, currency, net, records)
        select day, bank, currency, sum(amount), count(*) from sides group by day, bank, currency
        returning day::text, bank, currency, net::text, records`.execute(tx)
      const nettings = rows.map(({ net, ...row }) => ({ ...row, net: BigInt(net) }))
      const day = nettings[0]?.day
      if (day === undefined) return []
      const entries = nettings
        .filter(({ net }) => net !== 0n)
        .flatMap(({ bank, currency, net }): Entry[] => [
          { account: `bank:clearing:${bank}`, currency, minor: -net },
          { account: `bank:central:${bank}`, currency, minor: net },
        ])
      if (entries.length > 0) await post(tx, { key: `bank:settle:${day}`, at: now(), entries })
      await sql`update bank_orders set state = 'settled' where state = 'captured'
        and id in (select order_id from bank_clearing where day = ${day}::date and id like 'capture:%')`.execute(tx)
      return nettings
    }),
  )
}
