import { WarrenError } from '../../errors.ts'
import { halfEven } from '../half-even.ts'

interface AtTheBank {
  /** Who keeps accounts in it. */
  bank: string
  /** Smallest units for one of USD, as a fraction. */
  rate: { numerator: bigint; denominator: bigint }
}

const currencies: Record<string, AtTheBank> = {
  USD: { bank: 'meadow', rate: { numerator: 1n, denominator: 1n } },
  CNY: { bank: 'harbour', rate: { numerator: 36n, denominator: 5n } },
  EUR: { bank: 'alster', rate: { numerator: 23n, denominator: 25n } },
  JPY: { bank: 'sumida', rate: { numerator: 3n, denominator: 2n } },
}
export const bankCurrencies = Object.keys(currencies)

/** What is bought again below a half of this: a thousand dollars, in smallest units of the currency. */
export function reserveOf(currency: string): { target: bigint; threshold: bigint } {
  const target = convert(100_000n, 'USD', currency)
  return { target, threshold: target / 2n }
}

export function bankOf(currency: string): string {
  return known(currency).bank
}

/** Smallest units of `to` for one of `from`. */
export function rateOf(from: string, to: string): { numerator: bigint; denominator: bigint } {
  const [sold, bought] = [known(from).rate, known(to).rate]
  return { numerator: bought.numerator * sold.denominator, denominator: bought.denominator * sold.numerator }
}

export function convert(minor: bigint, from: string, to: string): bigint {
  const { numerator, denominator } = rateOf(from, to)
  return halfEven(minor * numerator, denominator)
}

function known(currency: string): AtTheBank {
  const found = currencies[currency]
  if (found) return found
  throw new WarrenError('invalid_request', `the sandbox bank knows ${bankCurrencies.join(', ')}, not ${currency}`)
}
