import { sign } from 'node:crypto'
import { newId } from '../lib/id.ts'
import { type PublicKey, signingKey } from './signing-key.ts'

/** How long a token holds, seconds. */
const lifeSeconds = 3600
/** Clocks of others may be behind. */
const earlierSeconds = 60

interface IdentityDeps {
  /** A secret of this installation. */
  seed: string
  /** Where the public key is found, as others reach it: an address without a slash at its end. Throws where that is not known. */
  issuer: () => string
  now: () => Date
}

/** Whom a token speaks of. */
export interface Bearer {
  sandboxId: string
  accountId: string
}

/**
 * Tokens that say which sandbox a request comes from, for services that trust this installation (OpenID Connect; the
 * subject is a SPIFFE id, as in a JWT-SVID). They are put into requests on their way out and never seen inside.
 */
export class IdentityTokens {
  readonly #deps: IdentityDeps
  readonly #signing: ReturnType<typeof signingKey>

  constructor(deps: IdentityDeps) {
    this.#deps = deps
    this.#signing = signingKey(deps.seed)
  }

  /** Throws as the issuer does, where it is not known. */
  check(): void {
    this.#deps.issuer()
  }

  mint({ sandboxId, accountId }: Bearer, audience: string): string {
    const { issuer, now } = this.#deps
    const { key, shown } = this.#signing
    const iss = issuer()
    const iat = Math.floor(now().getTime() / 1000)
    const claims = {
      iss,
      sub: `spiffe://${new URL(iss).hostname}/organisation/${accountId || 'default'}/sandbox/${sandboxId}`,
      aud: audience,
      iat,
      nbf: iat - earlierSeconds,
      exp: iat + lifeSeconds,
      jti: newId('j'),
    }
    const said = `${part({ alg: shown.alg, kid: shown.kid, typ: 'JWT' })}.${part(claims)}`
    return `${said}.${sign('sha256', Buffer.from(said), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }

  /** What tokens are checked with. */
  keys(): { keys: PublicKey[] } {
    return { keys: [this.#signing.shown] }
  }

  /** Where that is found, as OpenID Connect has it. */
  configuration(): object {
    const issuer = this.#deps.issuer()
    return {
      issuer,
      jwks_uri: `${issuer}/keys`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      claims_supported: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'jti'],
    }
  }
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
