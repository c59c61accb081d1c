import { randomFillSync } from 'node:crypto'

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
const randomLength = 20
/** Bytes from here on would make some letters likelier than others. */
const evenBytes = 256 - (256 % letters.length)

/** Random bytes that nobody has used: asking for many at once costs a tenth. */
const pool = Buffer.alloc(4096)
let used = pool.length
const made = Buffer.alloc(randomLength)

/**
 * Makes an identifier that nobody can guess: `prefix` (letters only) and 20 random characters of `a-z0-9`, 103 bits.
 * It has no dash, dot or underscore, so it can stand in a host name, a path and a cgroup name.
 */
export function newId(prefix: string): string {
  let length = 0
  while (length < randomLength) {
    if (used === pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const byte = pool[used++]!
    if (byte < evenBytes) made[length++] = letters.charCodeAt(byte % letters.length)
  }
  // Put together once: a letter at a time each step is a text of its own.
  return prefix + made.toString('latin1')
}
