import { sql } from 'kysely'
import { WarrenError } from '../../errors.ts'
import { step } from '../../lib/step.ts'
import type { PaymentDeps } from './create-payment.ts'
import { findTold } from './payment-records.ts'
import { settleIn } from './settle-payment.ts'

/**
 * Takes in what a provider tells. Answers whether it was news: the same notice again changes nothing, nor does one of a
 * payment that is not ours. Throws `forbidden` where its signature does not hold, and `conflict` where it tells of another
 * amount than was asked for: then nothing changed.
 */
export async function takeNotice(
  { db, now, providers }: PaymentDeps,
  name: string,
  { body, signature }: { body: Buffer; signature: string | undefined },
): Promise<boolean> {
  const provider = providers.get(name)
  if (!provider) throw new WarrenError('not_found', `nothing is paid by ${name} here`)
  const notice = await provider.read(body, signature)
  if (!notice) return false
  return step('payment.notice', notice.id, () =>
    db.transaction(async (tx) => {
      const { numAffectedRows } = await sql`insert into billing_notices (provider, id, at)
        values (${name}, ${notice.id}, ${now().toISOString()}) on conflict do nothing`.execute(tx)
      if (numAffectedRows !== 1n) return false
      const payment = await findTold(tx, name, notice)
      if (!payment) return false
      await settleIn(tx, { now }, { id: payment.id, answer: notice })
      return true
    }),
  )
}
