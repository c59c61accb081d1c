import { sql, type Transaction } from 'kysely'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { Queries } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'
import { exponentOf } from './currency.ts'
import { checkedMinor } from './money.ts'

export interface Entry {
  /** Such as `receivable:org0`; its currency is added to it: one account, one currency. */
  account: string
  currency: string
  /** Debit above zero, credit below. */
  minor: bigint
}

export interface Posting {
  /** What it is about: the same thing is posted once. */
  key: string
  at: Date
  entries: Entry[]
  memo?: Record<string, string>
}

/**
 * Writes a posting, in the transaction of what it tells of. Told again under its key it is there once; with other entries
 * that is a `conflict`. Throws `invalid_request` where it does not balance in each currency: then nothing is written.
 * Answers whether it is new.
 */
export async function post(tx: Transaction<Tables>, { key, at, entries, memo = {} }: Posting): Promise<boolean> {
  checkBalance(key, entries)
  return step('ledger.post', key, async () => {
    const columns = {
      accounts: entries.map(({ account, currency }) => `${account}:${currency}`),
      currencies: entries.map(({ currency }) => currency),
      amounts: entries.map(({ minor }) => String(minor)),
    }
    await sql`insert into ledger_accounts (id, currency)
      select distinct * from unnest(${columns.accounts}::text[], ${columns.currencies}::text[]) order by 1
      on conflict (id) do nothing`.execute(tx)
    const { rows } = await sql<{ seq: number }>`insert into ledger_postings (key, at, memo)
      values (${key}, ${at.toISOString()}, ${JSON.stringify(memo)}) on conflict (key) do nothing returning seq`.execute(
      tx,
    )
    if (!rows[0]) return sameAsBefore(tx, key, columns)
    await sql`insert into ledger_entries (posting, position, account, currency, amount)
      select ${rows[0].seq}, position, account, currency, amount from unnest(${columns.accounts}::text[],
        ${columns.currencies}::text[], ${columns.amounts}::bigint[]) with ordinality as e (account, currency, amount, position)`.execute(
      tx,
    )
    return true
  })
}

/** What is on an account: debits less credits, up to now. */
export async function balanceOf(queries: Queries, account: string, currency: string): Promise<bigint> {
  const { rows } = await sql<{ balance: string }>`select coalesce(sum(amount), 0)::text as balance
    from ledger_entries where account = ${`${account}:${currency}`}`.execute(queries)
  return BigInt(rows[0]!.balance)
}

/** Holds an account until the transaction ends, so that what was read of it still holds when it is posted to. */
export async function lockAccount(tx: Transaction<Tables>, account: string, currency: string): Promise<void> {
  const id = `${account}:${currency}`
  await sql`insert into ledger_accounts (id, currency) values (${id}, ${currency}) on conflict (id) do nothing`.execute(
    tx,
  )
  await sql`select from ledger_accounts where id = ${id} for update`.execute(tx)
}

export interface ListedPosting {
  seq: number
  key: string
  at: Date
  entries: { account: string; currency: string; minor: bigint }[]
}

/** Postings after `after`, oldest first; those that touch accounts that begin with `account` where one is named. */
export async function listPostings(
  queries: Queries,
  { account, after, limit }: { account?: string | undefined; after: number; limit: number },
): Promise<ListedPosting[]> {
  const touching =
    account === undefined
      ? sql`true`
      : sql`exists (select from ledger_entries e where e.posting = p.seq and starts_with(e.account, ${account}))`
  const { rows } = await sql<Omit<ListedPosting, 'entries'> & { entries: [string, string, string][] }>`
    select p.seq, p.key, p.at, (select jsonb_agg(jsonb_build_array(e.account, e.currency, e.amount::text) order by e.position)
      from ledger_entries e where e.posting = p.seq) as entries
    from ledger_postings p where p.seq > ${after} and ${touching} order by p.seq limit ${limit}`.execute(queries)
  return rows.map(({ entries, ...posting }) => ({
    ...posting,
    entries: entries.map(([name, currency, minor]) => ({ account: name, currency, minor: BigInt(minor) })),
  }))
}

function checkBalance(key: string, entries: Entry[]): void {
  const sums = new Map<string, bigint>()
  for (const { currency, minor } of entries) {
    exponentOf(currency)
    if (checkedMinor(minor) === 0n) throw new WarrenError('invalid_request', `posting ${key} has an entry of zero`)
    sums.set(currency, (sums.get(currency) ?? 0n) + minor)
  }
  if (entries.length < 2) throw new WarrenError('invalid_request', `posting ${key} has fewer than two entries`)
  for (const [currency, sum] of sums)
    if (sum !== 0n) throw new WarrenError('invalid_request', `posting ${key} is off by ${sum} of ${currency}`)
}

async function sameAsBefore(
  tx: Queries,
  key: string,
  { accounts, amounts }: { accounts: string[]; amounts: string[] },
): Promise<false> {
  const { rows } = await sql<{ same: boolean }>`
    select coalesce(array_agg(e.account order by e.position) = ${accounts}::text[]
      and array_agg(e.amount order by e.position) = ${amounts}::bigint[], false) as same
    from ledger_entries e join ledger_postings p on p.seq = e.posting where p.key = ${key}`.execute(tx)
  if (rows[0]?.same) return false
  throw new WarrenError('conflict', `posting ${key} is there already, with other entries`)
}
