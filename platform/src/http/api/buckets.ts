import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { authorize } from '../../accounts/roles.ts'
import { type Bucket, CreateBucket } from '../../buckets/bucket.ts'
import type { Buckets } from '../../buckets/buckets.ts'
import { SignObject } from '../../buckets/signed-address.ts'
import { json, Nothing, named, problems } from './schema.ts'

export const BucketParams = Type.Object({ bucket: Type.String({ maxLength: 64 }) })
type ByBucket = { Params: Static<typeof BucketParams> }

const BucketView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    objects: Type.Integer({ description: 'How many are in it.' }),
    sizeBytes: Type.Integer({ description: 'Of them together.' }),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Bucket' },
)
const BucketList = Type.Object({ buckets: Type.Array(named(BucketView)) }, { $id: 'BucketList' })
const SignedAddress = Type.Object(
  {
    url: Type.String({ description: 'Good without a key, for whoever has it.' }),
    method: SignObject.properties.method,
    expiresAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'SignedAddress' },
)

export const bucketSchemas = [CreateBucket, BucketView, BucketList, SignObject, SignedAddress]

/** /v1/buckets: where objects are kept, which outlive whoever wrote them. */
export function bucketRoutes(app: FastifyInstance, buckets: Buckets): void {
  const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['buckets'] })

  app.post<{ Body: CreateBucket }>(
    '/buckets',
    {
      config: { permission: 'buckets:write', audit: 'bucket.create' },
      schema: {
        ...about('createBucket', 'Make an empty bucket'),
        body: named(CreateBucket),
        response: { 201: json('It is there.', BucketView), ...problems },
      },
    },
    async ({ account, body }, reply) => {
      reply.code(201)
      return viewOf(await buckets.create(account, body))
    },
  )

  app.get(
    '/buckets',
    {
      config: { permission: 'buckets:read' },
      schema: {
        ...about('listBuckets', 'List buckets, by name'),
        response: { 200: json('All of them.', BucketList), ...problems },
      },
    },
    async ({ account }) => ({ buckets: (await buckets.list(account)).map(viewOf) }),
  )

  app.get<ByBucket>(
    '/buckets/:bucket',
    {
      config: { permission: 'buckets:read' },
      schema: {
        ...about('getBucket', 'One bucket'),
        params: BucketParams,
        response: { 200: json('The bucket.', BucketView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await buckets.get(account, params.bucket)),
  )

  app.delete<ByBucket>(
    '/buckets/:bucket',
    {
      config: { permission: 'buckets:write', audit: 'bucket.delete' },
      schema: {
        ...about('deleteBucket', 'Delete a bucket that has no objects'),
        params: BucketParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await buckets.remove(account, params.bucket)
      return reply.code(204).send()
    },
  )

  app.post<ByBucket & { Body: SignObject }>(
    '/buckets/:bucket/sign',
    {
      config: { permission: 'buckets:read', audit: 'object.sign' },
      schema: {
        ...about('signObject', 'An address that allows one thing with one object, without a key, for a while'),
        params: BucketParams,
        body: named(SignObject),
        response: { 201: json('The address. The object need not exist.', SignedAddress), ...problems },
      },
    },
    async ({ account, principal, params, body }, reply) => {
      // Nobody can hand on more than they may themselves.
      if (body.method !== 'GET') authorize(principal, 'buckets:write')
      const { url, expiresAt } = buckets.sign(await buckets.get(account, params.bucket), body)
      reply.code(201)
      return { url, method: body.method, expiresAt: expiresAt.toISOString() }
    },
  )
}

function viewOf({ id, name, objects, sizeBytes, createdAt }: Bucket): Static<typeof BucketView> {
  return { id, name, objects, sizeBytes, createdAt: createdAt.toISOString() }
}
