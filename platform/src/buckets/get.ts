import { WarrenError } from '../errors.ts'
import type { Bucket } from './bucket.ts'
import type { BucketDeps } from './buckets.ts'

/** The bucket of an account with this name. Throws `not_found`. */
export async function getBucket({ store }: BucketDeps, accountId: string, name: string): Promise<Bucket> {
  const found = /^[a-z0-9-]{1,63}$/.test(name) ? await store.find(accountId, name) : undefined
  if (found) return found
  throw new WarrenError('not_found', `there is no bucket "${name.slice(0, 64)}"`)
}

/** The bucket with this id, of whomever: for who shows an address that was signed for it. Throws `not_found`. */
export async function getSignedBucket({ store }: BucketDeps, id: string): Promise<Bucket> {
  const found = await store.findAnywhere(id)
  if (found) return found
  throw new WarrenError('not_found', 'the bucket of this address is not there any more')
}
