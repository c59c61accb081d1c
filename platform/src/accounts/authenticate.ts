import { timingSafeEqual } from 'node:crypto'
import { WarrenError } from '../errors.ts'
import { digestOf } from './key-digest.ts'
import type { Keys } from './keys.ts'
import { noOrganisation, type Organisations, operatorsId } from './organisations.ts'
import type { Caller } from './principal.ts'
import type { Sessions } from './sessions.ts'

/** What a caller showed to say who it is. */
export interface Credentials {
  key: string | undefined
  /** Id of the organisation it wants to act for, where it may for several. */
  organisation?: string | undefined
}

/**
 * Answers whose credentials these are. Throws `unauthenticated` when they are missing, unknown or have expired, and `not_found`
 * for an organisation that they are not for.
 */
export type Authenticate = (credentials: Credentials) => Promise<Caller>

interface AuthenticatorDeps {
  adminKey: string
  organisations: Organisations
  keys: Keys
  sessions: Sessions
  now: () => Date
}

/**
 * Who may act: whoever has the admin key, for any organisation; a key that was made, for its own; and who is signed in, for those
 * that they are a member of, without a word for the oldest.
 */
export function authenticator({ adminKey, organisations, keys, sessions, now }: AuthenticatorDeps): Authenticate {
  const expected = digestOf(adminKey).bytes

  const person = async (accessToken: string, organisation: string | undefined): Promise<Caller> => {
    const { userId, sessionId, memberships } = await sessions.find(accessToken)
    const found = organisation ? memberships.find((one) => one.accountId === organisation) : memberships[0]
    if (!found && organisation) throw noOrganisation(organisation)
    if (!found) throw new WarrenError('forbidden', 'you are a member of no organisation')
    const principal = { kind: 'user', id: userId, ...found, scopes: undefined, sessionId } as const
    return { account: await organisations.get(found.accountId), principal }
  }

  return async ({ key: shown, organisation }) => {
    if (!shown) {
      throw new WarrenError('unauthenticated', 'the request carries no key', {
        hint: 'Send it as "Authorization: Bearer KEY" or "X-API-Key: KEY". The admin key is in admin.key in WARREN_HOME.',
      })
    }
    // Digests have one length, so that the comparison takes the same time whatever was sent.
    if (timingSafeEqual(digestOf(shown).bytes, expected)) {
      const account = await organisations.get(organisation ?? operatorsId)
      const principal = { kind: 'admin', id: 'admin', role: 'operator', scopes: undefined } as const
      return { account, principal: { ...principal, accountId: account.id } }
    }
    if (shown.startsWith('eyJ')) return person(shown, organisation)
    const key = await keys.find(shown)
    if (!key) throw new WarrenError('unauthenticated', 'the key is not known')
    if (key.expiresAt && key.expiresAt <= now())
      throw new WarrenError('unauthenticated', `the key expired at ${key.expiresAt.toISOString()}`)
    if (organisation !== undefined && organisation !== key.accountId) throw noOrganisation(organisation)
    const { accountId, role, scopes } = key
    const [kind, id] = key.serviceId ? (['service', key.serviceId] as const) : (['key', key.id] as const)
    return {
      account: await organisations.get(accountId),
      principal: { kind, id, accountId, role, scopes, keyId: key.id },
    }
  }
}
