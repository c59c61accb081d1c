import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'

export interface Bucket {
  id: string
  accountId: string
  name: string
  /** Of its objects together. */
  sizeBytes: number
  objects: number
  createdAt: Date
}

/*
 *  put ──▶ content `writing` ──▶ object ──▶ content `unneeded` ──▶ (nothing)
 *                   └──────── failed ───────────▲   replaced, removed
 *
 * A row says where each content is in this, before it exists and until it has gone. What a crash leaves writing is unneeded at
 * the next start (sweep.ts).
 */
export interface BucketObject {
  key: string
  /** Under which name its content is kept. */
  content: string
  sizeBytes: number
  /** SHA-256 of the content, hexadecimal. */
  etag: string
  contentType: string
  metadata: Record<string, string>
  modifiedAt: Date
}

export const BucketName = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
  description: 'Small letters, digits and dashes; at most 63.',
})

export const CreateBucket = Type.Object({ name: BucketName }, { $id: 'CreateBucket', additionalProperties: false })
export type CreateBucket = Static<typeof CreateBucket>

/** What a key and the metadata beside an object may be at most, bytes. */
const most = { key: 1024, metadata: 4096 }

/** Throws `invalid_request` for what cannot be the key of an object. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key)
  if (bytes < 1 || bytes > most.key)
    throw new WarrenError('invalid_request', `a key has from 1 to ${most.key} bytes, not ${bytes}`)
  if (!key.isWellFormed() || key.includes('\0'))
    throw new WarrenError('invalid_request', 'a key is well-formed text without NUL characters')
  // Programs that send addresses take such parts for steps between folders, and ask for something else.
  if (key.split('/').some((part) => part === '.' || part === '..'))
    throw new WarrenError('invalid_request', 'no part of a key between slashes may be "." or ".."')
}

/** Throws `invalid_request` for metadata that could not be given back in headers. */
export function checkMetadata(metadata: Record<string, string>): void {
  let bytes = 0
  for (const [name, value] of Object.entries(metadata)) {
    bytes += name.length + value.length
    if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name))
      throw new WarrenError(
        'invalid_request',
        `"${name.slice(0, 64)}" is no name of metadata: small letters, digits and dashes`,
      )
    if (!/^[\x20-\x7e]*$/.test(value))
      throw new WarrenError('invalid_request', `the metadata "${name}" has other characters than visible ASCII`, {
        hint: 'Encode it, for example as a part of a URL.',
      })
  }
  if (bytes > most.metadata)
    throw new WarrenError('too_large', `the metadata of an object has ${bytes} bytes, over ${most.metadata}`, {
      details: { limit: most.metadata, value: bytes },
    })
}

/** The refusal of an object beyond the limit. */
export function objectTooLarge(key: string, { limit, value }: { limit: number; value?: number }): WarrenError {
  const has = value === undefined ? 'is larger than' : `has ${value} bytes, over`
  return new WarrenError(
    'too_large',
    `the object "${key.slice(0, 100)}" ${has} the ${limit} bytes that are accepted here`,
    {
      hint: 'WARREN_MAX_OBJECT_MB sets what an object may have; a signed address may allow less.',
      details: { limit, ...(value === undefined ? {} : { value }) },
    },
  )
}
