import { createHash } from 'node:crypto'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { inTime } from '../lib/in-time.ts'
import { type Bucket, type BucketObject, checkKey, checkMetadata, objectTooLarge } from './bucket.ts'
import type { BucketDeps } from './buckets.ts'
import { type Condition, checkCondition } from './condition.ts'
import { erase } from './erase.ts'

export interface PutObject {
  key: string
  source: AsyncIterable<Uint8Array>
  /** Where it is known beforehand. */
  sizeBytes?: number | undefined
  /** Less than what is accepted anyway. */
  mostBytes?: number | undefined
  contentType?: string | undefined
  metadata?: Record<string, string> | undefined
  condition?: Condition | undefined
}

/** What of a body of unknown length is held of the quota at once, bytes. */
const heldAtOnce = 16 * 1024 * 1024
/** A body may stall for so long, milliseconds. */
const stallMs = 60_000

/** Writes an object, over the one that was there. Everybody sees the old one, or none, until it is whole. If it rejects nothing has changed. */
export async function putObject(deps: BucketDeps, bucket: Bucket, input: PutObject): Promise<BucketObject> {
  const { store, contents, config, now } = deps
  const { key, source, sizeBytes, contentType = 'application/octet-stream', metadata = {}, condition = {} } = input
  checkKey(key)
  checkMetadata(metadata)
  const limit = Math.min(config.buckets.maxObjectMb * 1024 * 1024, input.mostBytes ?? Number.POSITIVE_INFINITY)
  if (sizeBytes !== undefined && sizeBytes > limit) throw objectTooLarge(key, { limit, value: sizeBytes })
  // Told now, before all of it is sent; what counts is how it is then.
  if (condition.match || condition.noneMatch) checkCondition(condition, (await store.findObject(bucket, key))?.etag)

  const { accountId } = bucket
  const content = newId('o')
  await store.hold(content, { accountId, bytes: sizeBytes ?? 0, at: now() }, config.quotas)
  try {
    const digest = createHash('sha256')
    let bytes = 0
    let held = sizeBytes ?? 0
    async function* counted() {
      for await (const chunk of whole(source)) {
        bytes += chunk.length
        if (bytes > limit) throw objectTooLarge(key, { limit })
        if (bytes > held) {
          const more = Math.max(heldAtOnce, bytes - held)
          await store.holdMore(content, { accountId, bytes: more }, config.quotas)
          held += more
        }
        digest.update(chunk)
        yield chunk
      }
    }
    await contents.write(content, counted(), (upload) => store.holdUpload(content, upload))
    const etag = digest.digest('hex')
    const object = { key, content, sizeBytes: bytes, etag, contentType, metadata, modifiedAt: now() }
    const replaced = await store.put(bucket, object, condition)
    if (replaced) await erase(deps, { name: replaced.content })
    return object
  } catch (error) {
    // What the database cannot take now is given up at the next start.
    const unneeded = await store.giveUp(content).catch(() => undefined)
    if (unneeded) await erase(deps, unneeded)
    throw error
  }
}

/** A body that breaks off is the sender's failure. */
async function* whole(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await inTime(chunks.next(), stallMs, stalled)
      if (done) return
      yield value
    }
  } catch (cause) {
    if (cause instanceof WarrenError) throw cause
    throw new WarrenError('invalid_request', 'the content of the object broke off before its end', { cause })
  }
}

/** Who sends nothing holds what others of the organisation could have. */
function stalled(): Error {
  return new WarrenError('timeout', `nothing more of the object came for ${stallMs / 1000} s`)
}
