import type { Readable } from 'node:stream'
import { WarrenError } from '../errors.ts'
import { type Bucket, type BucketObject, checkKey } from './bucket.ts'
import type { BucketDeps } from './buckets.ts'

/** What is known of an object. Throws `not_found`. */
export async function getObject({ store }: BucketDeps, bucket: Bucket, key: string): Promise<BucketObject> {
  checkKey(key)
  const object = await store.findObject(bucket, key)
  if (object) return object
  throw new WarrenError('not_found', `there is no object "${key.slice(0, 100)}" in the bucket "${bucket.name}"`)
}

/** Its content, or the part of it. Undefined when the object was replaced or removed in this moment: look again. */
export function readObject(
  { contents }: BucketDeps,
  { content, sizeBytes }: BucketObject,
  part: { offset: number; length: number } = { offset: 0, length: sizeBytes },
): Promise<Readable | undefined> {
  return contents.read(content, part)
}
