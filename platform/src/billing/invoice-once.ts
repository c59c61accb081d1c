import type { Database } from '../storage/database.ts'
import { invoice } from './close-periods.ts'
import type { Invoice } from './invoice.ts'
import { findInvoiceByKey } from './invoice-records.ts'
import { usedForAnother } from './used-for-another.ts'

export interface NewInvoice {
  /** One of its account: asked again under it, it is the same invoice. */
  key: string
  /** End of its period; undefined: now. */
  until: Date | undefined
}

/**
 * Everything of an account until then that is on no invoice yet, as one invoice, once. Throws `conflict` where the key was used for
 * something else: then nothing changed.
 */
export async function invoiceOnce(
  deps: { db: Database; now: () => Date },
  accountId: string,
  { key, until }: NewInvoice,
): Promise<Invoice> {
  const known = await findInvoiceByKey(deps.db.kysely, accountId, key)
  if (known) checkSame(known, key, until)
  const end = known?.periodEnd ?? until ?? deps.now()
  for (;;) {
    const issued = await invoice(deps, accountId, end, key)
    const own = await findInvoiceByKey(deps.db.kysely, accountId, key)
    if (own) checkSame(own, key, until)
    // Another one may have been left drafted: that one is issued now, and then comes this.
    if (own?.id === issued.id) return issued
  }
}

function checkSame({ kind, periodEnd }: Invoice, key: string, until: Date | undefined): void {
  if (kind === 'invoice' && (until === undefined || until.getTime() === periodEnd.getTime())) return
  throw usedForAnother(key, 'invoice', 'invoice or a credit note')
}
