import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Bucket } from '../../buckets/bucket.ts'
import type { Buckets } from '../../buckets/buckets.ts'
import type { SignedMethod } from '../../buckets/signed-address.ts'
import type { WarrenError } from '../../errors.ts'
import { conditionOf, ObjectView, objectView, sendObject, takeObject } from '../object-content.ts'
import { rawBody } from '../raw-body.ts'
import { BucketParams } from './buckets.ts'
import { bytes, json, Nothing, problems } from './schema.ts'

const SignedParams = Type.Object({
  bucket: BucketParams.properties.bucket,
  '*': Type.String({ description: 'The key.' }),
})
const SignedQuery = Type.Object(
  {
    expires: Type.Integer({ minimum: 0, maximum: 2 ** 40, description: 'Until when it is good, Unix seconds.' }),
    maxBytes: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 50 })),
    signature: Type.String({ maxLength: 100, writeOnly: true }),
  },
  { additionalProperties: false },
)
type BySignature = { Params: Static<typeof SignedParams>; Querystring: Static<typeof SignedQuery> }

/** /v1/signed: objects for whoever has an address that was signed, without a key. */
export async function signedRoutes(app: FastifyInstance, buckets: Buckets): Promise<void> {
  const path = '/signed/:bucket/*'
  const about = (operationId: string, summary: string) => ({
    ...{ operationId, summary, tags: ['buckets'], security: [] },
    ...{ params: SignedParams, querystring: SignedQuery },
  })
  const config = (audit: string) => ({ permission: 'anyone', audit }) as const

  async function allowed(request: FastifyRequest): Promise<{ bucket: Bucket; key: string; maxBytes?: number }> {
    const { params, query, method } = request as FastifyRequest<BySignature>
    const wanted = { method: (method === 'HEAD' ? 'GET' : method) as SignedMethod, key: params['*'] }
    const bucket = await buckets.signed(params.bucket, wanted, query).catch(async (error) => {
      // An address that was good once was hardly guessed.
      if ((error as WarrenError).code !== 'forbidden' || query.expires * 1000 < Date.now()) throw error
      throw await request.server.gateway.failed({ request: request.raw }, error)
    })
    request.auditedAs = { accountId: bucket.accountId, actorKind: 'signature', actor: bucket.id }
    return { bucket, key: wanted.key, ...(query.maxBytes === undefined ? {} : { maxBytes: query.maxBytes }) }
  }

  for (const method of ['HEAD', 'GET'] as const) {
    app.route({
      ...{ method, url: path, exposeHeadRoute: false, config: config(method === 'GET' ? 'object.get' : 'object.stat') },
      schema: {
        ...about(method === 'GET' ? 'getSignedObject' : 'statSignedObject', 'As of the object, by a signed address'),
        response: { 200: { description: 'As of the object.', content: bytes }, ...problems },
      },
      handler: async (request, reply) => {
        const { bucket, key } = await allowed(request)
        return sendObject(buckets, bucket, { request, reply, key })
      },
    })
  }

  app.delete(
    path,
    {
      config: config('object.delete'),
      schema: {
        ...about('deleteSignedObject', 'Delete the object, by a signed address'),
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const { bucket, key } = await allowed(request)
      await buckets.removeObject(bucket, { key, condition: conditionOf(request) })
      return reply.code(204).send()
    },
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.put(
      path,
      {
        config: config('object.put'),
        schema: {
          ...about('putSignedObject', 'Write the object, by a signed address'),
          consumes: ['application/octet-stream'],
          response: { 200: json('The object, as it is there now.', ObjectView), ...problems },
        },
      },
      async (request) => {
        const { bucket, key, maxBytes } = await allowed(request)
        return objectView(await takeObject(buckets, bucket, { request, key, mostBytes: maxBytes }))
      },
    )
    done()
  })
}
