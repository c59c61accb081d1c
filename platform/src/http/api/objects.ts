import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Buckets } from '../../buckets/buckets.ts'
import { conditionOf, ObjectView, objectView, sendObject, takeObject } from '../object-content.ts'
import { rawBody } from '../raw-body.ts'
import { BucketParams } from './buckets.ts'
import { bytes, json, Nothing, named, problems } from './schema.ts'

const ObjectParams = Type.Object({
  bucket: BucketParams.properties.bucket,
  '*': Type.String({ description: 'The key; it may have slashes.' }),
})
const ListQuery = Type.Object(
  {
    prefix: Type.Optional(Type.String({ maxLength: 1024, format: 'plain-text', description: 'Of the keys.' })),
    delimiter: Type.Optional(
      Type.String({
        maxLength: 16,
        format: 'plain-text',
        description: 'Keys that are the same up to it, behind the prefix, are told as one of `prefixes`. Such as `/`.',
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Default 100.' })),
    cursor: Type.Optional(Type.String({ maxLength: 1500, description: 'Of the page before.' })),
  },
  { additionalProperties: false },
)
const ObjectList = Type.Object(
  {
    objects: Type.Array(named(ObjectView)),
    prefixes: Type.Array(Type.String()),
    cursor: Type.Optional(Type.String({ description: 'Goes on after this page. Absent on the last.' })),
  },
  { $id: 'ObjectList' },
)

export const objectSchemas = [ObjectView, ObjectList]

export type ByObject = { Params: Static<typeof ObjectParams> }

/** /v1/buckets/:bucket/objects: content by its key. */
export async function objectRoutes(app: FastifyInstance, buckets: Buckets): Promise<void> {
  const path = '/buckets/:bucket/objects/*'
  const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['buckets'] })
  const bucketOf = ({ account, params }: FastifyRequest) => buckets.get(account, (params as ByObject['Params']).bucket)

  app.get<{ Params: Static<typeof BucketParams>; Querystring: Static<typeof ListQuery> }>(
    '/buckets/:bucket/objects',
    {
      config: { permission: 'buckets:read', audit: 'object.list' },
      schema: {
        ...about('listObjects', 'List objects, by the bytes of their keys'),
        params: BucketParams,
        querystring: ListQuery,
        response: { 200: json('A page of them.', ObjectList), ...problems },
      },
    },
    async (request) => {
      const { limit = 100, ...query } = request.query
      const { objects, prefixes, cursor } = await buckets.listObjects(await bucketOf(request), { ...query, limit })
      return { objects: objects.map(objectView), prefixes, ...(cursor === undefined ? {} : { cursor }) }
    },
  )

  app.head<ByObject>(
    path,
    {
      config: { permission: 'buckets:read', audit: 'object.stat' },
      schema: {
        ...about('statObject', 'What is known of an object, in headers'),
        params: ObjectParams,
        response: { 200: { description: 'As for GET, without the content.', content: bytes }, ...problems },
      },
    },
    async (request, reply) =>
      sendObject(buckets, await bucketOf(request), { request, reply, key: request.params['*'] }),
  )

  app.get<ByObject>(
    path,
    {
      exposeHeadRoute: false,
      config: { permission: 'buckets:read', audit: 'object.get' },
      schema: {
        ...about('getObject', 'The content of an object, or the `Range` of it'),
        params: ObjectParams,
        response: {
          200: { description: 'The content, with its type, `ETag` and `Warren-Meta-…`.', content: bytes },
          206: { description: 'The bytes of the range, as `Content-Range` says.', content: bytes },
          304: { description: 'It is the one that `If-None-Match` names.' },
          ...problems,
        },
      },
    },
    async (request, reply) =>
      sendObject(buckets, await bucketOf(request), { request, reply, key: request.params['*'] }),
  )

  app.delete<ByObject>(
    path,
    {
      config: { permission: 'buckets:write', audit: 'object.delete' },
      schema: {
        ...about('deleteObject', 'Delete an object; with `If-Match` only the one that it names'),
        params: ObjectParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const bucket = await bucketOf(request)
      await buckets.removeObject(bucket, { key: request.params['*'], condition: conditionOf(request) })
      return reply.code(204).send()
    },
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.put<ByObject>(
      path,
      {
        config: { permission: 'buckets:write', audit: 'object.put' },
        schema: {
          ...about(
            'putObject',
            'Write an object of any type, over the one that was there; headers `Warren-Meta-…` are kept',
          ),
          consumes: ['application/octet-stream'],
          params: ObjectParams,
          response: { 200: json('The object, as it is there now.', ObjectView), ...problems },
        },
      },
      async (request) => {
        const bucket = await bucketOf(request)
        return objectView(await takeObject(buckets, bucket, { request, key: request.params['*'] }))
      },
    )
    done()
  })
}
