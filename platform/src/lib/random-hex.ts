import { randomFillSync } from 'node:crypto'

/** Random bytes that nobody has used: asking for many at once costs a tenth. */
const pool = Buffer.alloc(4096)
let used = pool.length

/** So many random bytes, in hexadecimal; at most 4096. */
export function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += bytes
  return pool.toString('hex', used - bytes, used)
}
