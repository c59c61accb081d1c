import { createHash, timingSafeEqual } from 'node:crypto'
import { WarrenError } from '../errors.ts'
import type { Account } from './account.ts'

/** What a caller showed to say who it is. */
export interface Credentials {
  key: string | undefined
}

/** Answers whose credentials these are. Throws `unauthenticated` when they are missing or unknown. */
export type Authenticate = (credentials: Credentials) => Promise<Account>

/** Authentication for an installation with one organisation, whose one key is the admin key. */
export function authenticateAdmin(adminKey: string, account: Account): Authenticate {
  const expected = digest(adminKey)
  return async ({ key }) => {
    if (!key) {
      throw new WarrenError('unauthenticated', 'the request carries no key', {
        hint: 'Send it as "Authorization: Bearer KEY" or "X-API-Key: KEY". The admin key is in admin.key in WARREN_HOME.',
      })
    }
    // Digests have one length, so that the comparison takes the same time whatever was sent.
    if (!timingSafeEqual(digest(key), expected)) throw new WarrenError('unauthenticated', 'the key is not known')
    return account
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
