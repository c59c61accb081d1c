import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Bucket, CreateBucket } from './bucket.ts'
import type { BucketDeps } from './buckets.ts'

/** An empty bucket. Throws `conflict` when the account has one of that name. */
export async function createBucket(
  { store, now }: BucketDeps,
  account: Account,
  { name }: CreateBucket,
): Promise<Bucket> {
  const bucket = { id: newId('b'), accountId: account.id, name, sizeBytes: 0, objects: 0, createdAt: now() }
  if (await store.create(bucket)) return bucket
  throw new WarrenError('conflict', `there is a bucket "${name}" already`, { hint: 'Use it, or take another name.' })
}
