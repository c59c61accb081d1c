import { createHash, timingSafeEqual } from 'node:crypto'
import { WarrenError } from '../errors.ts'
import type { Account } from './account.ts'
import type { Keys } from './keys.ts'

/** What a caller showed to say who it is. */
export interface Credentials {
  key: string | undefined
}

/** Answers whose credentials these are. Throws `unauthenticated` when they are missing or unknown. */
export type Authenticate = (credentials: Credentials) => Promise<Account>

/** Who may act for an installation with one organisation: whoever has the admin key, or a key that was made with it. */
export function authenticator({ adminKey, account, keys }: { adminKey: string; account: Account; keys: Keys }): {
  authenticate: Authenticate
  /** Whether these credentials may make and take away keys: the admin key may, and the tokens made for that. */
  managesKeys: (credentials: Credentials) => Promise<boolean>
} {
  const expected = digest(adminKey)
  // Digests have one length, so that the comparison takes the same time whatever was sent.
  const isAdmin = (key: string) => timingSafeEqual(digest(key), expected)
  return {
    async authenticate({ key }) {
      if (!key) {
        throw new WarrenError('unauthenticated', 'the request carries no key', {
          hint: 'Send it as "Authorization: Bearer KEY" or "X-API-Key: KEY". The admin key is in admin.key in WARREN_HOME.',
        })
      }
      if (isAdmin(key) || (await keys.find(key))?.accountId === account.id) return account
      throw new WarrenError('unauthenticated', 'the key is not known')
    },
    async managesKeys({ key }) {
      return key !== undefined && (isAdmin(key) || (await keys.find(key))?.kind === 'token')
    },
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
