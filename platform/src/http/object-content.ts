import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Bucket, BucketObject } from '../buckets/bucket.ts'
import type { Buckets } from '../buckets/buckets.ts'
import { type Condition, checkCondition, isAmong } from '../buckets/condition.ts'
import { WarrenError } from '../errors.ts'
import { byteRange } from './byte-range.ts'

const metadataPrefix = 'warren-meta-'

export const ObjectView = Type.Object(
  {
    key: Type.String(),
    sizeBytes: Type.Integer(),
    etag: Type.String({ description: 'SHA-256 of the content, hexadecimal.' }),
    contentType: Type.String(),
    metadata: Type.Record(Type.String(), Type.String(), { description: 'What came in headers `Warren-Meta-…`.' }),
    modifiedAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Object' },
)

export function objectView({ content: _, modifiedAt, ...object }: BucketObject): Static<typeof ObjectView> {
  return { ...object, modifiedAt: modifiedAt.toISOString() }
}

/** What is to be so, by the headers If-Match and If-None-Match. */
export function conditionOf({ headers }: Pick<FastifyRequest, 'headers'>): Condition {
  return { match: etagsOf(headers['if-match']), noneMatch: etagsOf(headers['if-none-match']) }
}

/** Takes the body of a request for the content of an object. */
export function takeObject(
  buckets: Buckets,
  bucket: Bucket,
  { request, key, mostBytes }: { request: FastifyRequest; key: string; mostBytes?: number | undefined },
): Promise<BucketObject> {
  const { headers } = request
  const body = request.body as Readable | undefined
  const length = headers['content-length']
  return buckets.putObject(bucket, {
    key,
    // A refusal must not destroy what is left of the body: the connection would go with it, and the answer.
    source: body?.iterator({ destroyOnReturn: false }) ?? nothing(),
    sizeBytes: length === undefined ? (body ? undefined : 0) : Number(length),
    mostBytes,
    contentType: headers['content-type'],
    metadata: metadataOf(headers),
    condition: conditionOf(request),
  })
}

/** Answers with an object, or the `Range` of it; with what is known of it alone to HEAD. */
export async function sendObject(
  buckets: Buckets,
  bucket: Bucket,
  { request, reply, key }: { request: FastifyRequest; reply: FastifyReply; key: string },
): Promise<FastifyReply> {
  const { match, noneMatch } = conditionOf(request)
  // An object may be replaced between the look at its record and at its content: then the new one is sent.
  for (let attempt = 0; attempt < 5; attempt++) {
    const object = await buckets.getObject(bucket, key)
    checkCondition({ match }, object.etag)
    describe(reply, object)
    if (noneMatch && isAmong(noneMatch, object.etag)) return reply.code(304).send()
    const range = rangeOf(request, object)
    const { offset, length } = range ?? { offset: 0, length: object.sizeBytes }
    const stream = request.method === 'HEAD' ? undefined : await buckets.readObject(object, { offset, length })
    if (request.method !== 'HEAD' && !stream) continue
    reply.header('content-type', object.contentType).header('content-length', length)
    if (range) {
      reply.code(206)
      reply.header('content-range', `bytes ${offset}-${offset + length - 1}/${object.sizeBytes}`)
    }
    return reply.send(stream)
  }
  throw new WarrenError('unavailable', `the content of the object "${key.slice(0, 100)}" is missing`, {
    hint: 'After a restore without the files of buckets, or with another store than before, there are records alone. Put it again.',
  })
}

function describe(reply: FastifyReply, { etag, modifiedAt, metadata }: BucketObject): void {
  reply.header('etag', `"${etag}"`)
  reply.header('last-modified', modifiedAt.toUTCString())
  reply.header('accept-ranges', 'bytes')
  reply.header('cache-control', 'private, no-cache')
  // What somebody has put here must not act as a page of this platform in a browser.
  reply.header('x-content-type-options', 'nosniff')
  reply.header('content-security-policy', "sandbox; default-src 'none'")
  for (const [name, value] of Object.entries(metadata)) reply.header(metadataPrefix + name, value)
}

/** With If-Range only of the object that it names. */
function rangeOf({ headers }: FastifyRequest, { etag, sizeBytes }: BucketObject) {
  const only = headers['if-range']
  if (typeof only === 'string' && only.trim() !== `"${etag}"`) return undefined
  return byteRange(headers.range, sizeBytes)
}

function metadataOf(headers: FastifyRequest['headers']): Record<string, string> {
  const given = Object.entries(headers).filter(([name]) => name.startsWith(metadataPrefix))
  return Object.fromEntries(given.map(([name, value]) => [name.slice(metadataPrefix.length), String(value)]))
}

/** Throws `invalid_request` for what is no list of entity tags. */
function etagsOf(header: string | undefined): string[] | undefined {
  if (header === undefined) return undefined
  return header.split(',').map((one) => {
    const etag = /^(?:W\/)?"([^"]*)"$/.exec(one.trim())?.[1] ?? (one.trim() === '*' ? '*' : undefined)
    if (etag !== undefined) return etag
    throw new WarrenError(
      'invalid_request',
      `"${one.trim().slice(0, 100)}" is no entity tag: text in double quotes, or *`,
    )
  })
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
