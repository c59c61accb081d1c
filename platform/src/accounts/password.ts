import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** Argon2id as OWASP wants it at least: 19 MiB, two passes. */
const cost = { memory: 19_456, passes: 2, parallelism: 1 }
const saltBytes = 16
const hashBytes = 32
const compute = promisify(argon2)

/** `password` as it may be kept, in the usual text form, which also says how it was made. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(saltBytes)
  const hash = await compute('argon2id', { message: password.normalize('NFKC'), nonce, tagLength: hashBytes, ...cost })
  const { memory, passes, parallelism } = cost
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${text(nonce)}$${text(hash)}`
}

/** Takes as long for who has no password as for who has another. */
export async function isPassword(password: string, kept: string | null | undefined): Promise<boolean> {
  const form = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/
  const [, memory, passes, parallelism, nonce, hash] = form.exec(kept ?? (await nobodys)) ?? []
  if (!hash) throw new Error('a password is kept in a form that is not known')
  const expected = Buffer.from(hash, 'base64')
  const shown = await compute('argon2id', {
    message: password.normalize('NFKC'),
    nonce: Buffer.from(nonce!, 'base64'),
    tagLength: expected.length,
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
  })
  return timingSafeEqual(shown, expected) && typeof kept === 'string'
}

const nobodys = hashPassword(randomBytes(16).toString('hex'))

function text(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}
