import { WarrenError } from '../errors.ts'
import { type Bucket, checkKey } from './bucket.ts'
import type { BucketDeps } from './buckets.ts'
import type { Condition } from './condition.ts'
import { erase } from './erase.ts'

/** Throws `not_found` when there is none, `conflict` where the condition does not hold. */
export async function removeObject(
  deps: BucketDeps,
  bucket: Bucket,
  { key, condition = {} }: { key: string; condition?: Condition },
): Promise<void> {
  checkKey(key)
  const removed = await deps.store.removeObject(bucket, key, condition)
  if (!removed)
    throw new WarrenError('not_found', `there is no object "${key.slice(0, 100)}" in the bucket "${bucket.name}"`)
  await erase(deps, { name: removed.content })
}
