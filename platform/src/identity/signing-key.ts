import { createECDH, createHash, createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto'

/** The public half as others look it up. */
export interface PublicKey {
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  alg: 'ES256'
  use: 'sig'
  kid: string
}

export interface SigningKey {
  key: KeyObject
  shown: PublicKey
}

/**
 * The key that identity tokens are signed with. It is derived from a secret of the installation, so that all that work on
 * one database sign with the same and nothing more has to be kept.
 */
export function signingKey(seed: string): SigningKey {
  for (let round = 0; ; round++) {
    const scalar = Buffer.from(hkdfSync('sha256', seed, '', `identity tokens, ES256, ${round}`, 32))
    const pair = createECDH('prime256v1')
    try {
      pair.setPrivateKey(scalar)
    } catch {
      continue // One of 2^32 is larger than the group.
    }
    const point = pair.getPublicKey()
    const curve = { kty: 'EC', crv: 'P-256' } as const
    const coordinates = { x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') }
    const jwk = { ...curve, ...coordinates, d: scalar.toString('base64url') }
    const key = createPrivateKey({ key: jwk, format: 'jwk' })
    return { key, shown: { ...curve, ...coordinates, alg: 'ES256', use: 'sig', kid: thumbprint(key) } }
  }
}

/** As RFC 7638 names a key. */
function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y } = createPublicKey(key).export({ format: 'jwk' })
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
}
