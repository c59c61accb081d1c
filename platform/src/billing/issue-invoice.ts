import { sql } from 'kysely'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { Invoice, NewLine } from './invoice.ts'
import { invoiceLines } from './invoice-lines.ts'
import { getInvoice, takeNumber, writeLines } from './invoice-records.ts'
import { type Entry, post } from './ledger.ts'
import { checkedMinor } from './money.ts'

/** Computes, numbers and posts a draft, all at once. What is issued already is answered as it is. */
export async function issueInvoice(
  { db, now }: { db: Database; now: () => Date },
  accountId: string,
  id: string,
): Promise<Invoice> {
  return step('invoice.issue', id, () =>
    db.transaction(async (tx) => {
      await sql`select from billing_invoices where id = ${id} for update`.execute(tx)
      const draft = await getInvoice(tx, accountId, id)
      if (draft.state !== 'drafted') return draft
      const { lines, facts } = await invoiceLines(tx, draft)
      const total = checkedMinor(lines.reduce((sum, { minor }) => sum + minor, 0n))
      await writeLines(tx, id, lines)
      const number = await takeNumber(tx, accountId, 'INV')
      const at = now()
      // What costs nothing is paid.
      await sql`update billing_invoices set state = 'issued', number = ${number}, facts = ${facts}, total = ${String(total)},
        issued_at = ${at.toISOString()} where id = ${id}`.execute(tx)
      if (total === 0n) await sql`update billing_invoices set state = 'paid' where id = ${id}`.execute(tx)
      const entries = entriesOf(draft, lines, total)
      if (entries.length > 0) await post(tx, { key: `invoice:${id}`, at, entries, memo: { invoice: id } })
      const issued = await getInvoice(tx, accountId, id)
      await appendEvent(tx, {
        type: 'invoice.issued',
        accountId,
        subject: id,
        data: { number: issued.number!, currency: issued.currency, totalMinor: String(total) },
      })
      return issued
    }),
  )
}

function entriesOf({ accountId, currency }: Invoice, lines: readonly NewLine[], total: bigint): Entry[] {
  const sum = (kind: NewLine['kind']) =>
    lines.filter((line) => line.kind === kind).reduce((all, { minor }) => all + minor, 0n)
  return [
    { account: `receivable:${accountId}`, currency, minor: total },
    { account: 'income:fees', currency, minor: -sum('fee') },
    { account: 'income:usage', currency, minor: -sum('usage') },
    { account: 'income:discounts', currency, minor: -sum('discount') },
  ].filter(({ minor }) => minor !== 0n)
}
