import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { keptSecret } from './kept-secret.ts'

/** Encrypts what lies on the disk, so that it is read only with a key that lies elsewhere. */
export interface Seal {
  /** `subject` says whose it is: what is sealed for one opens for no other. */
  close(text: string, subject: string): string
  /** Throws `unavailable` without the key, `internal` for what was changed or belongs to another. */
  open(sealed: string, subject: string): string
  /** Whether it was sealed with the key that is used now. */
  isCurrent(sealed: string): boolean
}

const cipher = 'aes-256-gcm'
const keyBytes = 32

/**
 * The seal of this installation. Its keys are in `<home>/secrets.key` (mode 0600), minted at first: one a line, an id and 32
 * bytes in base64. The last one seals; those before it only open what they sealed.
 */
export async function keptSeal(home: string): Promise<Seal> {
  const path = join(home, 'secrets.key')
  const text = await keptSecret(path, () => `k1 ${randomBytes(keyBytes).toString('base64')}`)
  const keys = new Map(text.split('\n').map((line) => readKey(line, path)))
  const current = [...keys.keys()].at(-1)!
  return {
    close: (plain, subject) => {
      const nonce = randomBytes(12)
      const sealing = createCipheriv(cipher, keys.get(current)!, nonce).setAAD(Buffer.from(subject))
      const sealed = Buffer.concat([sealing.update(plain, 'utf8'), sealing.final()])
      return [current, ...[nonce, sealing.getAuthTag(), sealed].map((part) => part.toString('base64url'))].join('.')
    },
    open: (sealed, subject) => {
      const [id = '', ...parts] = sealed.split('.')
      const key = keys.get(id)
      if (!key)
        throw new WarrenError('unavailable', `what was sealed with key "${id}" cannot be opened: it is not in ${path}`)
      const [nonce = Buffer.alloc(0), tag = Buffer.alloc(0), content = Buffer.alloc(0)] = parts.map((part) =>
        Buffer.from(part, 'base64url'),
      )
      const opening = createDecipheriv(cipher, key, nonce, { authTagLength: 16 })
      opening.setAAD(Buffer.from(subject)).setAuthTag(tag)
      return opening.update(content, undefined, 'utf8') + opening.final('utf8')
    },
    isCurrent: (sealed) => sealed.startsWith(`${current}.`),
  }
}

function readKey(line: string, path: string): [id: string, key: Buffer] {
  const [, id, text = ''] = /^([a-z0-9]{1,32}) ([A-Za-z0-9+/=]+)$/.exec(line.trim()) ?? []
  const key = Buffer.from(text, 'base64')
  if (id && key.length === keyBytes) return [id, key]
  throw new WarrenError('invalid_request', `${path} must have an id and 32 bytes in base64 on each line`, {
    hint: 'Put it back as it was: without its keys nothing that was sealed with them can be read.',
  })
}
