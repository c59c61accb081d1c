import type { Money } from '@warren/sdk'

export function shown({ amount, currency }: Money): string {
  return `${amount} ${currency}`
}
