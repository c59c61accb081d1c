import { randomInt } from 'node:crypto'

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
const randomLength = 20

/**
 * Makes an identifier that nobody can guess: `prefix` (letters only) and 20 random characters of `a-z0-9`, 103 bits.
 * It has no dash, dot or underscore, so it can stand in a host name, a path and a cgroup name.
 */
export function newId(prefix: string): string {
  let id = prefix
  for (let i = 0; i < randomLength; i++) id += letters[randomInt(letters.length)]
  return id
}
