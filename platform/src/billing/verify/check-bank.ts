import { againstLedger, type Check } from './check.ts'

const captured = `state in ('captured', 'settled', 'paid_out')`
const bankOf = (currency: string) =>
  `case ${currency} when 'USD' then 'meadow' when 'CNY' then 'harbour' when 'EUR' then 'alster' else 'sumida' end`
const payersBank = bankOf('pay_currency')
const payeesBank = bankOf('payee_currency')
/** What a customer has once a card is bound, and what the payment institution begins with, in smallest units. */
const play = '100000000'
const reserves = `(values ('USD', 100000), ('CNY', 720000)) as r (id, reserve)`

/** Rows of id, account, currency and amount, for each way that money goes. */
function moves(from: string, ...lines: [account: string, currency: string, amount: string][]): string {
  return lines
    .map(
      ([account, currency, amount]) =>
        `select id, ${account} as account, ${currency} as currency, ${amount} as amount ${from}`,
    )
    .join(' union all ')
}

/** What the sandbox bank remembers of orders, clearing and exchanges, against what is in the ledger. */
export const bankChecks: Check[] = [
  againstLedger(
    'what the payment institution begins with',
    'bank:open:',
    moves(
      // They are there before anything is exchanged or paid out; before that they may be.
      `from ${reserves} where exists (select from ledger_postings where key = 'bank:open:' || r.id)
        or exists (select from bank_exchanges) or exists (select from bank_orders where state = 'paid_out')`,
      [`'bank:central:bridge'`, 'id', 'reserve'],
      [`'bank:capital:bridge'`, 'id', '-reserve'],
    ),
  ),
  againstLedger(
    'what the customer of a card has',
    'bank:fund:',
    moves(
      `from bank_cards where state = 'bound'`,
      [`'bank:central:' || ${bankOf('currency')}`, 'currency', play],
      [`'bank:customer:' || owner`, 'currency', `-${play}`],
    ),
  ),
  againstLedger(
    'authorisation of an order',
    'bank:authorise:',
    `select o.id, 'bank:customer:' || c.owner as account, pay_currency as currency, pay_amount as amount from bank_orders o
      join bank_cards c on c.id = o.card where o.state <> 'declined'
    union all select id, 'bank:holds', pay_currency, -pay_amount from bank_orders where state <> 'declined'`,
  ),
  againstLedger(
    'capture of an order',
    'bank:capture:',
    moves(
      `from bank_orders where ${captured}`,
      [`'bank:holds'`, 'pay_currency', 'pay_amount'],
      [`'bank:clearing:' || ${payersBank}`, 'pay_currency', '-pay_amount'],
      [`'bank:clearing:bridge'`, 'pay_currency', 'pay_amount'],
      [`'bank:owed:bridge'`, 'pay_currency', '-pay_amount'],
    ),
  ),
  againstLedger(
    'payout of an order',
    'bank:payout:',
    moves(
      `from bank_orders where state = 'paid_out'`,
      [`'bank:owed:bridge'`, 'pay_currency', 'pay_amount'],
      [`'bank:position:bridge'`, 'pay_currency', '-pay_amount'],
      [`'bank:position:bridge'`, 'payee_currency', 'payee_amount'],
      [`'bank:clearing:bridge'`, 'payee_currency', '-payee_amount'],
      [`'bank:clearing:' || ${payeesBank}`, 'payee_currency', 'payee_amount'],
      [`'bank:merchant'`, 'payee_currency', '-payee_amount'],
    ),
  ),
  againstLedger(
    'settlement of a day',
    'bank:settle:',
    `with sides as (select day, from_bank as bank, currency, -amount as amount from bank_clearing
        union all select day, to_bank, currency, amount from bank_clearing),
      nets as (select s.day, s.bank, s.currency, sum(s.amount) as net from sides s
        where exists (select from bank_nettings n where n.day = s.day) group by s.day, s.bank, s.currency)
    select day::text as id, 'bank:clearing:' || bank as account, currency, -net as amount from nets
    union all select day::text, 'bank:central:' || bank, currency, net from nets`,
  ),
  againstLedger(
    'first order of an exchange',
    'bank:sell:',
    moves(
      `from bank_exchanges where state <> 'ordered'`,
      [`'bank:central:bridge'`, 'sell_currency', '-(sell_amount + fee)'],
      [`'bank:fx:dealer'`, 'sell_currency', 'sell_amount'],
      [`'bank:fx:fees'`, 'sell_currency', 'fee'],
    ),
  ),
  againstLedger(
    'second order of an exchange',
    'bank:buy:',
    moves(
      `from bank_exchanges where state = 'bought'`,
      [`'bank:fx:dealer'`, 'buy_currency', '-buy_amount'],
      [`'bank:central:bridge'`, 'buy_currency', 'buy_amount'],
    ),
  ),
  {
    what: 'payment at the bank without an order that was captured',
    sql: `select p.id as subject, p.currency, p.amount::text as expected, coalesce(o.payee_amount, 0)::text as found
      from billing_payments p left join bank_orders o on o.request = p.id and o.payee_currency = p.currency and o.${captured}
      where p.provider = 'bank' and p.state = 'succeeded' and p.amount is distinct from o.payee_amount`,
  },
  {
    what: 'netting of a day',
    sql: `with sides as (select day, from_bank as bank, currency, -amount as amount from bank_clearing
        union all select day, to_bank, currency, amount from bank_clearing)
      select n.day || ' ' || n.bank as subject, n.currency, coalesce(sum(s.amount), 0)::text as expected, n.net::text as found
      from bank_nettings n left join sides s on s.day = n.day and s.bank = n.bank and s.currency = n.currency
      group by n.day, n.bank, n.currency, n.net having coalesce(sum(s.amount), 0) <> n.net`,
  },
]
