import { againstLedger, type Check } from './check.ts'

const lineAccount = `case l.kind when 'fee' then 'income:fees' when 'usage' then 'income:usage' else 'income:discounts' end`

export const ledgerChecks: Check[] = [
  {
    what: 'posting that does not balance',
    sql: `select p.key as subject, e.currency, '0' as expected, sum(e.amount)::text as found from ledger_entries e
      join ledger_postings p on p.seq = e.posting group by p.key, e.currency having sum(e.amount) <> 0`,
  },
  {
    what: 'posting without entries',
    sql: `select key as subject, '' as currency, '2' as expected, '0' as found from ledger_postings p
      where not exists (select from ledger_entries where posting = p.seq)`,
  },
  {
    what: 'account with another currency than its name says',
    sql: `select id as subject, currency, '0' as expected, '1' as found from ledger_accounts where not id like '%:' || currency`,
  },
  {
    what: 'posting of a kind that is not known',
    sql: `select key as subject, '' as currency, '0' as expected, '1' as found from ledger_postings
      where key !~ '^(invoice|credit_note|payment|bank:(open|fund|authorise|capture|settle|sell|buy|payout)):'`,
  },
  {
    // The money of the sandbox bank is none: it never comes to anybody's wallet, nor does what is real go there.
    what: 'entry in an account of another kind than its posting',
    sql: `select p.key || ' ' || e.account as subject, e.currency, '0' as expected, e.amount::text as found
      from ledger_entries e join ledger_postings p on p.seq = e.posting
      where starts_with(p.key, 'bank:') <> starts_with(e.account, 'bank:')`,
  },
  againstLedger(
    'posting of an invoice',
    'invoice:',
    `select i.id, 'receivable:' || i.account_id as account, i.currency, l.amount from billing_invoices i
      join billing_lines l on l.invoice = i.id where i.kind = 'invoice'
    union all select i.id, ${lineAccount}, i.currency, -l.amount from billing_invoices i
      join billing_lines l on l.invoice = i.id where i.kind = 'invoice'`,
  ),
  againstLedger(
    'posting of a credit note',
    'credit_note:',
    `select id, 'income:credits' as account, currency, -total as amount from billing_invoices where kind = 'credit_note'
    union all select n.id, coalesce((select split_part(e.account, ':', 1) from ledger_postings p
        join ledger_entries e on e.posting = p.seq where p.key = 'credit_note:' || n.id and starts_with(e.account, 'wallet:')),
      'receivable') || ':' || account_id, currency, total from billing_invoices n where kind = 'credit_note'`,
  ),
  againstLedger(
    'posting of a payment',
    'payment:',
    `select id, case provider when 'wallet' then 'wallet:' || account_id else 'cash:' || provider end as account, currency,
      amount from billing_payments where state = 'succeeded'
    union all select p.id, case when p.invoice is not null and exists (select from ledger_postings l
        join ledger_entries e on e.posting = l.seq where l.key = 'payment:' || p.id and starts_with(e.account, 'receivable:'))
      then 'receivable:' else 'wallet:' end || account_id, currency, -amount from billing_payments p where state = 'succeeded'`,
  ),
  {
    what: 'wallet below zero',
    sql: `select account as subject, currency, '0' as expected, sum(amount)::text as found from ledger_entries
      where starts_with(account, 'wallet:') group by account, currency having sum(amount) > 0`,
  },
  {
    what: 'what is owed, against invoices that are not paid',
    sql: `with owed as (select 'receivable:' || account_id || ':' || currency as account, currency, sum(case
          when kind = 'credit_note' then 0 else total + coalesce((select sum(n.total) from billing_invoices n where n.corrects = i.id), 0) end)
          filter (where state = 'issued') as amount from billing_invoices i where state <> 'drafted' group by account_id, currency),
        posted as (select account, currency, sum(amount) as amount from ledger_entries where starts_with(account, 'receivable:')
          group by account, currency)
      select coalesce(o.account, p.account) as subject, coalesce(o.currency, p.currency) as currency,
        coalesce(o.amount, 0)::text as expected, coalesce(p.amount, 0)::text as found
      from owed o full join posted p on p.account = o.account where coalesce(o.amount, 0) <> coalesce(p.amount, 0)`,
  },
]
