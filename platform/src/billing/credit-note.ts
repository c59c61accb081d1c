import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import { appendEvent } from '../events/outbox.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { Invoice } from './invoice.ts'
import { findInvoiceByKey, getInvoice, takeNumber, writeLines } from './invoice-records.ts'
import { post } from './ledger.ts'
import type { Money } from './money.ts'
import { usedForAnother } from './used-for-another.ts'

export interface NewCreditNote {
  /** One of its account. */
  key: string
  amount: Money
  memo: string
}

/**
 * Takes back some of an invoice, at most what is left of it. Of one that is paid the
 * money goes to the wallet; one that is taken back whole before it was paid is void. Asked again under its key it is the
 * same credit note. Throws `conflict` where the key was used for another one: then nothing changed.
 */
export async function creditNote(
  { db, now }: { db: Database; now: () => Date },
  { accountId, id: corrected }: { accountId: string; id: string },
  { key, amount, memo }: NewCreditNote,
): Promise<Invoice> {
  const id = newId('cn')
  return step('invoice.credit', id, () =>
    db.transaction(async (tx) => {
      await sql`select from billing_invoices where id = ${corrected} and account_id = ${accountId} for update`.execute(
        tx,
      )
      const invoice = await getInvoice(tx, accountId, corrected)
      const known = await findInvoiceByKey(tx, accountId, key)
      if (known) return checkSame(known, corrected, { key, amount, memo })
      const left = invoice.total - invoice.credited
      if (invoice.kind !== 'invoice' || invoice.state === 'drafted')
        throw new WarrenError('conflict', 'only an invoice that was issued can be corrected by a credit note')
      if (amount.currency !== invoice.currency)
        throw new WarrenError('invalid_request', `the invoice is in ${invoice.currency}, not in ${amount.currency}`)
      if (amount.minor <= 0n || amount.minor > left)
        throw new WarrenError('conflict', `${left} of the smallest unit are left of this invoice, not ${amount.minor}`)
      const at = now().toISOString()
      const number = await takeNumber(tx, accountId, 'CN')
      const { currency, periodStart, periodEnd } = invoice
      const { numAffectedRows } =
        await sql`insert into billing_invoices (id, account_id, kind, state, series, number, currency,
          period_start, period_end, from_seq, to_seq, facts, total, corrects, memo, drafted_at, issued_at, key)
        values (${id}, ${accountId}, 'credit_note', 'issued', 'CN', ${number}, ${currency}, ${periodStart.toISOString()},
          ${periodEnd.toISOString()}, 0, 0, 0, ${String(-amount.minor)}, ${corrected}, ${memo}, ${at}, ${at}, ${key})
        on conflict (account_id, key) where key is not null do nothing`.execute(tx)
      // Whoever is at this invoice waits for the one before: it was one of another invoice of the account, just now.
      if (numAffectedRows !== 1n) throw keyIsTaken(key)
      await writeLines(tx, id, [{ kind: 'credit', facts: 0, quantity: 0n, minor: -amount.minor }])
      const from = invoice.state === 'paid' ? `wallet:${accountId}` : `receivable:${accountId}`
      const entries = [
        { account: 'income:credits', currency, minor: amount.minor },
        { account: from, currency, minor: -amount.minor },
      ]
      await post(tx, { key: `credit_note:${id}`, at: now(), entries, memo: { invoice: corrected } })
      if (invoice.state === 'issued' && amount.minor === left)
        await sql`update billing_invoices set state = 'void' where id = ${corrected}`.execute(tx)
      const note = await getInvoice(tx, accountId, id)
      const data = { number: note.number!, currency, totalMinor: String(note.total), corrects: corrected }
      await appendEvent(tx, { type: 'invoice.credited', accountId, subject: id, data })
      return note
    }),
  )
}

function checkSame(known: Invoice, corrected: string, { key, amount, memo }: NewCreditNote): Invoice {
  const { corrects, currency, total } = known
  if (corrects === corrected && currency === amount.currency && total === -amount.minor && known.memo === memo)
    return known
  throw keyIsTaken(key)
}

function keyIsTaken(key: string): WarrenError {
  return usedForAnother(key, 'credit note', 'credit note or an invoice')
}
