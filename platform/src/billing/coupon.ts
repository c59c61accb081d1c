import { sql } from 'kysely'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import { openBillingAccount } from './billing-account.ts'
import { exponentOf } from './currency.ts'
import { halfEven } from './half-even.ts'

const amount = { minimum: 1, maximum: Number.MAX_SAFE_INTEGER }

/** What a coupon takes off each invoice, before anything is paid. */
export const CouponTerms = Type.Object(
  {
    basisPoints: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, description: 'Hundredths of a percent; either this or minor.' }),
    ),
    minor: Type.Optional(Type.Integer({ ...amount, description: 'In the smallest unit of the currency.' })),
    currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$', description: 'Of minor.' })),
    months: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1200,
        description: 'For so many months, with the one it is redeemed in. Default: always.',
      }),
    ),
    mostRedemptions: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000 })),
    redeemBefore: Type.Optional(Type.String({ format: 'date-time', maxLength: 40 })),
  },
  { $id: 'CouponTerms', additionalProperties: false },
)
export type CouponTerms = Static<typeof CouponTerms>

export interface Redemption {
  code: string
  redeemedAt: Date
  terms: CouponTerms
}

/** The same again changes nothing. Throws `conflict` where the code is taken by a coupon of other terms. */
export async function createCoupon(
  { db, now }: { db: Database; now: () => Date },
  code: string,
  terms: CouponTerms,
): Promise<void> {
  if (
    (terms.basisPoints === undefined) === (terms.minor === undefined) ||
    (terms.minor === undefined) !== (terms.currency === undefined)
  )
    throw new WarrenError('invalid_request', 'a coupon has either basisPoints, or minor together with currency')
  if (terms.currency) exponentOf(terms.currency)
  if (terms.redeemBefore && Number.isNaN(Date.parse(terms.redeemBefore)))
    throw new WarrenError('invalid_request', 'redeemBefore is not a time')
  const { numAffectedRows } = await step('billing.create_coupon', code, () =>
    sql`insert into billing_coupons (code, terms, created_at)
      values (${code}, ${JSON.stringify(terms)}, ${now().toISOString()}) on conflict do nothing`.execute(db.kysely),
  )
  if (numAffectedRows === 1n) return
  const { rows } = await sql`select from billing_coupons
    where code = ${code} and terms = ${JSON.stringify(terms)}::jsonb`.execute(db.kysely)
  if (rows.length === 0) throw new WarrenError('conflict', `there is a coupon ${code} already, of other terms`)
}

/**
 * Redeems it once for this account; again changes nothing. Throws `not_found` where it does not hold, or not any more: then nothing
 * is written, so that the account is free to choose its currency still.
 */
export async function redeemCoupon(
  { db, now }: { db: Database; now: () => Date },
  { accountId, currency }: { accountId: string; currency: string },
  code: string,
): Promise<void> {
  await step('billing.redeem_coupon', accountId, () =>
    db.transaction(async (tx) => {
      const found = await sql<{ terms: CouponTerms }>`select terms from billing_coupons
        where code = ${code} for update`.execute(tx)
      const terms = found.rows[0]?.terms
      // Asked only now, when nobody else redeems it: what the same statement sees is from before it waited.
      const uses = await sql<{ used: number; own: boolean }>`select count(*) as used,
        coalesce(bool_or(account_id = ${accountId}), false) as own from billing_redemptions where code = ${code}`.execute(
        tx,
      )
      const { used, own } = uses.rows[0]!
      if (own) return
      const over = terms?.redeemBefore !== undefined && Date.parse(terms.redeemBefore) <= now().getTime()
      if (!terms || over || used >= (terms.mostRedemptions ?? Number.POSITIVE_INFINITY))
        throw new WarrenError('not_found', `there is no coupon "${code.slice(0, 64)}" that holds now`)
      if (terms.currency && terms.currency !== currency)
        throw new WarrenError('conflict', `the coupon is for ${terms.currency}, and this account pays in ${currency}`)
      await openBillingAccount(tx, accountId, { currency, now: now() })
      await sql`insert into billing_redemptions (account_id, code, redeemed_at)
        values (${accountId}, ${code}, ${now().toISOString()})`.execute(tx)
    }),
  )
}

export async function redemptionsOf(queries: Queries, accountId: string): Promise<Redemption[]> {
  const { rows } = await sql<{ code: string; redeemed_at: Date; terms: CouponTerms }>`
    select r.code, r.redeemed_at, c.terms from billing_redemptions r join billing_coupons c on c.code = r.code
    where r.account_id = ${accountId} order by r.redeemed_at, r.code`.execute(queries)
  return rows.map(({ redeemed_at, ...rest }) => ({ ...rest, redeemedAt: redeemed_at }))
}

/** What each coupon takes off, in the order they were redeemed: never more than there is. */
export function discounts(
  subtotal: bigint,
  redemptions: readonly Redemption[],
  period: { start: Date; end: Date },
): { code: string; minor: bigint }[] {
  let left = subtotal
  const given: { code: string; minor: bigint }[] = []
  for (const { code, redeemedAt, terms } of redemptions) {
    if (redeemedAt >= period.end || (terms.months !== undefined && period.start >= endOf(redeemedAt, terms.months)))
      continue
    const wanted =
      terms.minor === undefined ? halfEven(subtotal * BigInt(terms.basisPoints ?? 0), 10_000n) : BigInt(terms.minor)
    const minor = wanted < left ? wanted : left
    if (minor > 0n) given.push({ code, minor })
    left -= minor
  }
  return given
}

function endOf(redeemedAt: Date, months: number): Date {
  return new Date(Date.UTC(redeemedAt.getUTCFullYear(), redeemedAt.getUTCMonth() + months, 1))
}
