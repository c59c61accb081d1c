import { createHmac } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'
import { equalText } from '../lib/equal-text.ts'
import { type Bucket, checkKey } from './bucket.ts'

/** What can be allowed by an address; GET allows HEAD too. */
export const signedMethods = ['GET', 'PUT', 'DELETE'] as const
export type SignedMethod = (typeof signedMethods)[number]

const longestSeconds = 7 * 86_400

export const SignObject = Type.Object(
  {
    method: Type.Enum([...signedMethods], { description: 'What the address allows; GET allows HEAD too.' }),
    key: Type.String({ minLength: 1, maxLength: 1024, format: 'plain-text' }),
    expiresInSeconds: Type.Optional(
      Type.Integer({ minimum: 1, maximum: longestSeconds, description: 'How long it is good. Default 900.' }),
    ),
    maxBytes: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 50,
        description: 'The most that may be put, where that is less than elsewhere.',
      }),
    ),
  },
  { $id: 'SignObject', additionalProperties: false },
)
export type SignObject = Static<typeof SignObject>

/** What the query of a signed address says. */
export interface Signature {
  /** Unix seconds. */
  expires: number
  maxBytes?: number | undefined
  signature: string
}

/** Addresses that are good without a key: what they allow, and until when, stands in them and cannot be changed. */
export class SignedAddresses {
  readonly #key: Buffer

  constructor(seed: string) {
    this.#key = createHmac('sha256', seed).update('addresses of objects').digest()
  }

  /** The path and query, and until when it is good. */
  sign({ id }: Bucket, { method, key, expiresInSeconds = 900, maxBytes }: SignObject, now: Date) {
    checkKey(key)
    const expires = Math.floor(now.getTime() / 1000) + expiresInSeconds
    const query = new URLSearchParams({ expires: String(expires) })
    if (maxBytes !== undefined) query.set('maxBytes', String(maxBytes))
    query.set('signature', this.#signatureOf(id, { method, key }, { expires, maxBytes }))
    const path = key.split('/').map(encodeURIComponent).join('/')
    return { path: `/v1/signed/${id}/${path}?${query}`, expiresAt: new Date(expires * 1000) }
  }

  /** Throws `forbidden` where the address was not signed for this, or its time is over. */
  check(bucketId: string, wanted: { method: SignedMethod; key: string }, given: Signature, now: Date): void {
    if (!equalText(this.#signatureOf(bucketId, wanted, given), given.signature))
      throw new WarrenError('forbidden', 'the signature of this address is not good for what is asked', {
        hint: 'An address is signed for one method, bucket and key; nothing in it may be changed.',
      })
    if (given.expires * 1000 < now.getTime())
      throw new WarrenError(
        'forbidden',
        `this address was good until ${new Date(given.expires * 1000).toISOString()}`,
        {
          hint: 'Ask for a new one.',
        },
      )
  }

  #signatureOf(
    bucketId: string,
    { method, key }: { method: SignedMethod; key: string },
    { expires, maxBytes }: Omit<Signature, 'signature'>,
  ): string {
    const signed = JSON.stringify([method, bucketId, key, expires, maxBytes ?? null])
    return createHmac('sha256', this.#key).update(signed).digest('base64url')
  }
}
