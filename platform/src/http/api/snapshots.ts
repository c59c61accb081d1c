import type { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { plainText } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { CreateSnapshot, type Snapshot, SnapshotView } from '../../sandboxes/snapshot.ts'
import { clientGone } from '../client-gone.ts'
import { rawBody } from '../raw-body.ts'
import { bytes, json, Nothing, named, problems, SandboxParams } from './schema.ts'

const SnapshotParams = Type.Object({ id: Type.String({ maxLength: 64 }) })
type ById = { Params: Static<typeof SnapshotParams> }

const name = Type.Optional(Type.String({ minLength: 1, maxLength: 128, ...plainText }))
const ListQuery = Type.Object(
  {
    name,
    sandbox: Type.Optional(Type.String({ maxLength: 64, description: 'Only those that were taken of this sandbox.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    cursor: Type.Optional(Type.String({ maxLength: 256, description: '`nextCursor` of the page before.' })),
  },
  { additionalProperties: false },
)
const ImportQuery = Type.Object({ name }, { additionalProperties: false })

const SnapshotList = Type.Object(
  { snapshots: Type.Array(named(SnapshotView)), nextCursor: Type.Optional(Type.String()) },
  { $id: 'SnapshotList' },
)

export const snapshotSchemas = [CreateSnapshot, SnapshotView, SnapshotList]

/** Saved states of sandboxes: /v1/snapshots, and how one is taken. */
export async function snapshotRoutes(app: FastifyInstance, { snapshots }: Sandboxes): Promise<void> {
  app.post<{ Params: Static<typeof SandboxParams>; Body: Static<typeof CreateSnapshot> }>(
    '/sandboxes/:id/snapshots',
    {
      config: { permission: 'snapshots:write', audit: 'snapshot.create' },
      schema: {
        operationId: 'createSnapshot',
        summary: 'Save a running sandbox, which goes on',
        tags: ['snapshots'],
        params: SandboxParams,
        body: named(CreateSnapshot),
        response: { 201: json('It is saved.', SnapshotView), ...problems },
      },
      preValidation: async (request) => {
        request.body ??= {}
      },
    },
    async ({ account, params, body }, reply) => {
      reply.code(201)
      return viewOf(await snapshots.create({ account, id: params.id }, body, clientGone(reply.raw)))
    },
  )

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    '/snapshots',
    {
      config: { permission: 'snapshots:read' },
      schema: {
        operationId: 'listSnapshots',
        summary: 'List snapshots, newest first',
        tags: ['snapshots'],
        querystring: ListQuery,
        response: {
          200: json('A page of the list. With `nextCursor` there is another one.', SnapshotList),
          ...problems,
        },
      },
    },
    async ({ account, query }) => {
      const page = await snapshots.list(account, query)
      return { snapshots: page.snapshots.map(viewOf), nextCursor: page.nextCursor }
    },
  )

  app.get<ById>(
    '/snapshots/:id',
    {
      config: { permission: 'snapshots:read' },
      schema: {
        operationId: 'getSnapshot',
        summary: 'Get one snapshot',
        tags: ['snapshots'],
        params: SnapshotParams,
        response: { 200: json('The snapshot.', SnapshotView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await snapshots.get({ account, id: params.id })),
  )

  app.delete<ById>(
    '/snapshots/:id',
    {
      config: { permission: 'snapshots:write', audit: 'snapshot.remove' },
      schema: {
        operationId: 'removeSnapshot',
        summary: 'Delete a snapshot; what was made from it goes on',
        tags: ['snapshots'],
        params: SnapshotParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await snapshots.remove({ account, id: params.id })
      return reply.code(204).send()
    },
  )

  app.get<ById>(
    '/snapshots/:id/export',
    {
      config: { permission: 'snapshots:write', audit: 'snapshot.export' },
      schema: {
        operationId: 'exportSnapshot',
        summary: 'Download a snapshot as one file',
        tags: ['snapshots'],
        params: SnapshotParams,
        response: {
          200: { description: 'The file, whole when it ends without a failure.', content: bytes },
          ...problems,
        },
      },
    },
    async ({ account, params }, reply) => {
      const content = await snapshots.export({ account, id: params.id })
      return reply
        .type('application/octet-stream')
        .header('content-disposition', `attachment; filename="${params.id}.warren"`)
        .send(content)
    },
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.post<{ Querystring: Static<typeof ImportQuery>; Body: Readable | undefined }>(
      '/snapshots/import',
      {
        config: { permission: 'snapshots:write', audit: 'snapshot.import' },
        schema: {
          operationId: 'importSnapshot',
          summary: 'Take in a snapshot that was exported, here or elsewhere',
          description:
            'Its memory can only be brought back by the same runtime version and the same build of the guest agent.',
          tags: ['snapshots'],
          consumes: ['application/octet-stream'],
          querystring: ImportQuery,
          response: { 201: json('It is there.', SnapshotView), ...problems },
        },
      },
      async ({ account, query, body }, reply) => {
        if (!body) throw new WarrenError('invalid_request', 'the body is empty, and must be an exported snapshot')
        const given = { name: query.name, content: body }
        const snapshot = await snapshots.import(account, given, clientGone(reply.raw))
        return reply.code(201).send(viewOf(snapshot))
      },
    )
    done()
  })
}

function viewOf(snapshot: Snapshot): Static<typeof SnapshotView> {
  const { id, name, sandboxId, keeps, driver, template, limits, sizeBytes, createdAt } = snapshot
  return {
    ...{ id, keeps, driver, template, limits, sizeBytes },
    ...(name === undefined ? {} : { name }),
    ...(sandboxId === undefined ? {} : { sandbox: sandboxId }),
    createdAt: createdAt.toISOString(),
  }
}
