import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'
import { exponentOf } from './currency.ts'

/** An amount in the smallest unit of its currency. */
export interface Money {
  currency: string
  minor: bigint
}

export const MoneyView = Type.Object(
  {
    currency: Type.String({ pattern: '^[A-Z]{3}$', description: 'By ISO 4217.' }),
    amount: Type.String({
      pattern: '^-?[0-9]{1,19}(\\.[0-9]{1,4})?$',
      description: 'A decimal number with as many digits after the point as the currency has, such as 12.50.',
    }),
  },
  { $id: 'Money', additionalProperties: false },
)
export type MoneyView = Static<typeof MoneyView>

/** What a bigint of PostgreSQL holds. */
const most = 2n ** 63n - 1n

/** Reads what was sent. Throws `invalid_request` for an unknown currency, more digits than it has, or more than can be held. */
export function parseMoney({ currency, amount }: MoneyView): Money {
  const exponent = exponentOf(currency)
  const [, sign, whole, fraction = ''] = /^(-?)(\d{1,19})(?:\.(\d+))?$/.exec(amount) ?? []
  if (whole === undefined) throw new WarrenError('invalid_request', `"${amount.slice(0, 40)}" is not a decimal amount`)
  if (fraction.length > exponent)
    throw new WarrenError(
      'invalid_request',
      `${currency} has ${exponent} digits after the point, not ${fraction.length}`,
    )
  const minor = BigInt(`${sign}${whole}${fraction.padEnd(exponent, '0')}`)
  return { currency, minor: checkedMinor(minor) }
}

/** The same for an amount that must be above zero. */
export function parsePayment(view: MoneyView): Money {
  const money = parseMoney(view)
  if (money.minor <= 0n) throw new WarrenError('invalid_request', `the amount must be above zero, not ${view.amount}`)
  return money
}

/** `minor` itself. Throws `invalid_request` where it is more than can be held. */
export function checkedMinor(minor: bigint): bigint {
  if (minor > most || minor < -most)
    throw new WarrenError('invalid_request', `an amount of ${minor} in the smallest unit is more than can be held`)
  return minor
}

export function showMoney({ currency, minor }: Money): MoneyView {
  const exponent = exponentOf(currency)
  const digits = String(minor < 0n ? -minor : minor).padStart(exponent + 1, '0')
  const whole = digits.slice(0, digits.length - exponent)
  const amount = `${minor < 0n ? '-' : ''}${whole}${exponent > 0 ? `.${digits.slice(-exponent)}` : ''}`
  return { currency, amount }
}
