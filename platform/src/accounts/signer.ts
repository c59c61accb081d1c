import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import { WarrenError } from '../errors.ts'

const issuer = 'warren'
const algorithm = 'EdDSA'

/** What a token is for; one that is for something else is no token here. */
export type Audience = 'warren:session' | 'warren:link'

export interface Signed {
  /** Of the row that says whether it is still good. */
  id: string
  subject: string
  expiresAt: Date
}

/** Signs and checks tokens (JWT, Ed25519) with a key that is made from a secret of this installation. */
export class Signer {
  readonly #privateKey: KeyObject
  readonly #publicKey: KeyObject
  readonly #now: () => Date

  constructor({ seed, now }: { seed: string; now: () => Date }) {
    const secret = Buffer.from(hkdfSync('sha256', seed, '', 'warren sign', 32))
    // RFC 8410: what stands before the 32 bytes of an Ed25519 key.
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret])
    this.#privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    this.#publicKey = createPublicKey(this.#privateKey)
    this.#now = now
  }

  sign(audience: Audience, { id, subject, expiresAt }: Signed): Promise<string> {
    return new SignJWT()
      .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setJti(id)
      .setIssuedAt(this.#now())
      .setExpirationTime(expiresAt)
      .sign(this.#privateKey)
  }

  /** Throws `unauthenticated` for what we did not sign, what is for something else, and what has expired. */
  async verify(audience: Audience, token: string): Promise<Signed> {
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: [algorithm],
        issuer,
        audience,
        typ: 'JWT',
        requiredClaims: ['sub', 'jti', 'exp'],
        currentDate: this.#now(),
      })
      return { id: payload.jti!, subject: payload.sub!, expiresAt: new Date(payload.exp! * 1000) }
    } catch (cause) {
      const what = audience === 'warren:link' ? 'the link' : 'the access token'
      if (cause instanceof errors.JWTExpired) throw new WarrenError('unauthenticated', `${what} has expired`, { cause })
      throw new WarrenError('unauthenticated', `${what} is not one that was made here for this`, { cause })
    }
  }
}
