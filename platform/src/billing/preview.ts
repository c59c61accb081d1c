import { sql } from 'kysely'
import type { Queries } from '../storage/database.ts'
import { type BillingAccount, subscriptionsOf } from './billing-account.ts'
import type { NewLine } from './invoice.ts'
import { invoiceLines } from './invoice-lines.ts'
import { invoicesInOrder } from './invoice-records.ts'
import { monthOf } from './segments.ts'

export interface Preview {
  currency: string
  periodStart: Date
  until: Date
  facts: number
  lines: NewLine[]
  total: bigint
}

/** What an invoice of everything until now would say. Nothing is written; what is being recorded may be missing. */
export async function preview(
  queries: Queries,
  { accountId, currency }: Pick<BillingAccount, 'accountId' | 'currency'>,
  now: Date,
): Promise<Preview> {
  const last = (await invoicesInOrder(queries, accountId)).at(-1)
  const first = (await subscriptionsOf(queries, accountId))[0]?.since
  const periodStart = last?.periodEnd ?? monthOf(first && first < now ? first : now)
  const { rows } = await sql<{ seq: number }>`select coalesce(max(seq), 0) as seq from usage_facts`.execute(queries)
  const bounds = { accountId, currency, periodStart, periodEnd: now, toSeq: Math.max(rows[0]!.seq, last?.toSeq ?? 0) }
  const { lines, facts } = await invoiceLines(queries, bounds)
  return { currency, periodStart, until: now, facts, lines, total: lines.reduce((sum, { minor }) => sum + minor, 0n) }
}
