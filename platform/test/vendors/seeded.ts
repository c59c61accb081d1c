import { randomNumbers } from '../random-numbers.ts'

/** Random whole numbers below a bound, the same for the same seed. */
export function seeded(seed: number): (below: number) => number {
  const random = randomNumbers(seed)
  return (below) => Math.floor(random() * below)
}
