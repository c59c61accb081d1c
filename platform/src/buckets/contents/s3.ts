import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { S3mini, S3ServiceError } from 's3mini'
import { WarrenError } from '../../errors.ts'
import { step } from '../../lib/step.ts'
import type { Began, Contents } from '../contents.ts'

/** What is sent at once, and held in memory for that. Of parts but the last, S3 takes no less than 5 MiB, and at most 10,000. */
const partBytes = 8 * 1024 * 1024

export interface S3Settings {
  /** Address of the service with the bucket in its path, such as https://s3.example.com/warren. */
  url: string
  region: string
  accessKey: string
  secretKey: string
}

/** Content as objects of a service that speaks S3, below `warren/` in one bucket of it. */
export function s3Contents({ url, region, accessKey, secretKey }: S3Settings): Contents {
  const s3 = new S3mini({ endpoint: url, region, accessKeyId: accessKey, secretAccessKey: secretKey })
  const keyOf = (name: string) => `warren/${name}`
  return {
    description: `S3 at ${url}`,
    write: (name, source, began) => step('object.write', name, () => told(write(s3, keyOf(name), { source, began }))),
    read: async (name, { offset, length }) => {
      if (length === 0) return Readable.from([])
      const response = await told(unlessMissing(s3.getObjectRaw(keyOf(name), false, offset, offset + length)))
      return response && Readable.fromWeb(response.body as ReadableStream<Uint8Array>)
    },
    remove: (name, upload) => step('object.erase', name, () => told(erase(s3, keyOf(name), upload))),
  }
}

/** What fits is sent in one piece; more in parts, one after the other, so that memory does not grow with it. */
async function write(
  s3: S3mini,
  key: string,
  { source, began }: { source: AsyncIterable<Uint8Array>; began: Began },
): Promise<void> {
  let upload: string | undefined
  const sent: { partNumber: number; etag: string }[] = []
  try {
    for await (const { part, isLast } of partsOf(source)) {
      if (isLast && upload === undefined) {
        await s3.putObject(key, part)
        return
      }
      if (upload === undefined) {
        upload = await s3.getMultipartUploadId(key)
        // As long as it has no part it takes no room.
        await began(upload)
      }
      sent.push(await s3.uploadPart(key, upload, part, sent.length + 1))
    }
    const { etag } = await s3.completeMultipartUpload(key, upload!, sent)
    // A failure may come with status 200.
    if (!etag) throw new Error('the parts were not put together')
  } catch (error) {
    if (upload !== undefined) await s3.abortMultipartUpload(key, upload).catch(() => {})
    throw error
  }
}

/** At least one, which may be empty. */
async function* partsOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<{ part: Buffer; isLast: boolean }> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (const chunk of source) {
    held.push(chunk)
    heldBytes += chunk.length
    // Strictly more: there is something left for the last part.
    while (heldBytes > partBytes) {
      const all = Buffer.concat(held)
      yield { part: all.subarray(0, partBytes), isLast: false }
      held = [all.subarray(partBytes)]
      heldBytes -= partBytes
    }
  }
  yield { part: Buffer.concat(held), isLast: true }
}

async function erase(s3: S3mini, key: string, upload: string | undefined): Promise<void> {
  if (upload !== undefined) await unlessMissing(s3.abortMultipartUpload(key, upload))
  await unlessMissing(s3.deleteObject(key))
}

async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof S3ServiceError && error.status === 404) return undefined
    throw error
  }
}

/** A failure of the service is none of the request. What comes from the source is passed on as it is. */
async function told<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof WarrenError) throw error
    throw new WarrenError('unavailable', 'the store of objects does not answer as it should', {
      hint: 'Try again in a few seconds. The log of the platform tells why.',
      cause: error,
    })
  }
}
