import { hash } from 'node:crypto'

export interface KeyDigest {
  bytes: Buffer
  /** In hexadecimal, as the database has it. */
  text: string
  /** Says which key it was, and not what it is: the beginning of that. */
  mark: string
}

const mostRemembered = 1000
const longestRemembered = 1024

/** Of what was shown last: each request shows one, three places want its digest, and it is the dearest thing on the way in. */
const remembered = new Map<string, KeyDigest>()

/** SHA-256 of a key. Keys are random and long: a plain hash cannot be guessed back. */
export function digestOf(secret: string): KeyDigest {
  const known = remembered.get(secret)
  if (known) return known
  const bytes = hash('sha256', secret, 'buffer')
  const text = bytes.toString('hex')
  const digest = { bytes, text, mark: text.slice(0, 32) }
  if (secret.length > longestRemembered) return digest
  if (remembered.size >= mostRemembered) remembered.delete(remembered.keys().next().value!)
  remembered.set(secret, digest)
  return digest
}
