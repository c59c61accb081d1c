/** One question to the database, answered by a row for each place where what is recorded is not what it should be. */
export interface Check {
  what: string
  /** Gives subject, currency, expected and found, the last two whole numbers as text; and what, where it is not always the same. */
  sql: string
}

export interface Difference {
  what: string
  subject: string
  currency: string
  expected: string
  found: string
}

/** What is posted under a kind of key against what should be: both ways, so that neither can be missing. */
export function againstLedger(what: string, prefix: string, expected: string): Check {
  return {
    what,
    sql: `with expected as (${expected}),
      posted as (select substr(p.key, ${prefix.length + 1}) as id, e.account, e.currency, sum(e.amount) as amount
        from ledger_postings p join ledger_entries e on e.posting = p.seq where starts_with(p.key, '${prefix}')
        group by p.key, e.account, e.currency having sum(e.amount) <> 0),
      wanted as (select id, account || ':' || currency as account, currency, sum(amount) as amount from expected
        group by id, account, currency having sum(amount) <> 0)
      select coalesce(w.id, p.id) || ' ' || coalesce(w.account, p.account) as subject, coalesce(w.currency, p.currency) as currency,
        coalesce(w.amount, 0)::text as expected, coalesce(p.amount, 0)::text as found
      from wanted w full join posted p on p.id = w.id and p.account = w.account
      where w.amount is distinct from p.amount`,
  }
}
