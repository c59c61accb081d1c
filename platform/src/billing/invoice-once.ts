import { WarrenError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import { invoice } from './close-periods.ts'
import type { Invoice } from './invoice.ts'
import { findInvoiceByKey } from './invoice-records.ts'

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
  if (known && !isSame(known, until)) throw usedForAnother(key)
  const end = known?.periodEnd ?? until ?? deps.now()
  for (;;) {
    const issued = await invoice(deps, accountId, end, key)
    const own = await findInvoiceByKey(deps.db.kysely, accountId, key)
    if (own && !isSame(own, until)) throw usedForAnother(key)
    // Another one may have been left drafted: that one is issued now, and then comes this.
    if (own?.id === issued.id) return issued
  }
}

function isSame({ kind, periodEnd }: Invoice, until: Date | undefined): boolean {
  return kind === 'invoice' && (until === undefined || until.getTime() === periodEnd.getTime())
}

function usedForAnother(key: string): WarrenError {
  return new WarrenError('conflict', `the idempotency key "${key}" was used for another invoice or a credit note`, {
    hint: 'Use a new key for each invoice, and the same only to send one again.',
  })
}
