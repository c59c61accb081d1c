import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import type { Queries } from '../storage/database.ts'
import type { Invoice, Line, NewLine } from './invoice.ts'
import type { Meter } from './meter.ts'

interface InvoiceRow {
  id: string
  account_id: string
  kind: Invoice['kind']
  state: Invoice['state']
  series: string
  number: number | null
  currency: string
  period_start: Date
  period_end: Date
  from_seq: number
  to_seq: number
  facts: number | null
  total: string | null
  credited: string
  corrects: string | null
  memo: string | null
  issued_at: Date | null
}

const columns =
  sql.raw(`id, account_id, kind, state, series, number, currency, period_start, period_end, from_seq, to_seq,
  facts, total::text, corrects, memo, issued_at,
  (select coalesce(-sum(n.total), 0) from billing_invoices n where n.corrects = i.id)::text as credited`)

/** Throws `not_found` where the account has none of that id. */
export async function getInvoice(queries: Queries, accountId: string, id: string): Promise<Invoice> {
  const { rows } = await sql<InvoiceRow>`select ${columns} from billing_invoices i
    where account_id = ${accountId} and id = ${id}`.execute(queries)
  if (rows[0]) return toInvoice(rows[0])
  throw new WarrenError('not_found', `there is no invoice "${id.slice(0, 64)}"`)
}

/** The invoice or credit note that was asked for under that key. */
export async function findInvoiceByKey(queries: Queries, accountId: string, key: string): Promise<Invoice | undefined> {
  const { rows } = await sql<InvoiceRow>`select ${columns} from billing_invoices i
    where account_id = ${accountId} and key = ${key}`.execute(queries)
  return rows[0] && toInvoice(rows[0])
}

/** Newest first. Drafts are nobody's business. */
export async function listInvoices(
  queries: Queries,
  accountId: string,
  { limit, after }: { limit: number; after: number },
): Promise<Invoice[]> {
  const { rows } = await sql<InvoiceRow>`select ${columns} from billing_invoices i
    where account_id = ${accountId} and state <> 'drafted' order by issued_at desc, series, number desc
    limit ${limit} offset ${after}`.execute(queries)
  return rows.map(toInvoice)
}

/** The invoices of an account in the order they took facts; with their drafts, without credit notes. */
export async function invoicesInOrder(queries: Queries, accountId: string): Promise<Invoice[]> {
  const { rows } = await sql<InvoiceRow>`select ${columns} from billing_invoices i
    where account_id = ${accountId} and kind = 'invoice' order by period_end, to_seq`.execute(queries)
  return rows.map(toInvoice)
}

export async function linesOf(queries: Queries, invoice: string): Promise<Line[]> {
  const { rows } = await sql<{
    position: number
    kind: Line['kind']
    plan: string | null
    version: number
    segment_start: Date | null
    segment_end: Date
    meter: Meter | null
    facts: number
    quantity: string
    amount: string
    code: string | null
  }>`select position, kind, plan, version, segment_start, segment_end, meter, facts, quantity::text, amount::text, code
    from billing_lines where invoice = ${invoice} order by position`.execute(queries)
  return rows.map(({ position, kind, facts, quantity, amount, ...row }) => ({
    position,
    kind,
    facts,
    quantity: BigInt(quantity),
    minor: BigInt(amount),
    ...(row.plan === null ? {} : { plan: { id: row.plan, version: row.version } }),
    ...(row.segment_start === null ? {} : { segment: { start: row.segment_start, end: row.segment_end } }),
    ...(row.meter === null ? {} : { meter: row.meter }),
    ...(row.code === null ? {} : { code: row.code }),
  }))
}

export async function writeLines(tx: Queries, invoice: string, lines: readonly NewLine[]): Promise<void> {
  const rows = lines.map((line, index) => ({
    position: index + 1,
    kind: line.kind,
    plan: line.plan?.id,
    version: line.plan?.version,
    segment_start: line.segment?.start,
    segment_end: line.segment?.end,
    meter: line.meter,
    facts: line.facts,
    quantity: String(line.quantity),
    amount: String(line.minor),
    code: line.code,
  }))
  await sql`insert into billing_lines (invoice, position, kind, plan, version, segment_start, segment_end, meter, facts,
      quantity, amount, code)
    select ${invoice}, position, kind, plan, version, segment_start, segment_end, meter, facts, quantity, amount, code
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as l (position integer, kind text, plan text, version integer,
      segment_start timestamptz, segment_end timestamptz, meter text, facts bigint, quantity numeric, amount bigint, code text)`.execute(
    tx,
  )
}

/** The next number of a series of this account. Whoever takes one writes under it in the same transaction. */
export async function takeNumber(tx: Queries, accountId: string, series: string): Promise<number> {
  const { rows } = await sql<{ taken: number }>`insert into billing_numbers (account_id, series, taken)
    values (${accountId}, ${series}, 1)
    on conflict (account_id, series) do update set taken = billing_numbers.taken + 1 returning taken`.execute(tx)
  return rows[0]!.taken
}

function toInvoice(row: InvoiceRow): Invoice {
  return {
    id: row.id,
    accountId: row.account_id,
    kind: row.kind,
    state: row.state,
    number: row.number === null ? undefined : `${row.series}-${String(row.number).padStart(6, '0')}`,
    currency: row.currency,
    periodStart: row.period_start,
    periodEnd: row.period_end,
    fromSeq: row.from_seq,
    toSeq: row.to_seq,
    facts: row.facts ?? 0,
    total: BigInt(row.total ?? 0),
    credited: BigInt(row.credited),
    corrects: row.corrects ?? undefined,
    memo: row.memo ?? undefined,
    issuedAt: row.issued_at ?? undefined,
  }
}
