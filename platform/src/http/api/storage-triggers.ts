import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Functions } from '../../functions/functions.ts'
import { CreateStorageTrigger, type StorageTrigger, storageEvents } from '../../functions/triggers/storage-trigger.ts'
import { type ByFunction, FunctionParams } from './functions.ts'
import { json, Nothing, named, problems } from './schema.ts'

const TriggerView = Type.Object(
  {
    id: Type.String(),
    bucket: Type.String(),
    prefix: Type.String(),
    suffix: Type.String(),
    events: Type.Array(Type.Enum([...storageEvents])),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'StorageTrigger' },
)
const TriggerList = Type.Object({ triggers: Type.Array(named(TriggerView)) }, { $id: 'StorageTriggerList' })
const TriggerParams = Type.Object({ name: Type.String({ maxLength: 64 }), id: Type.String({ maxLength: 64 }) })

export const storageTriggerSchemas = [CreateStorageTrigger, TriggerView, TriggerList]

/** /v1/functions/:name/storage-triggers: calls when objects come and go. */
export function storageTriggerRoutes(app: FastifyInstance, functions: Functions): void {
  const path = '/functions/:name/storage-triggers'
  const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['functions'] })

  app.post<ByFunction & { Body: CreateStorageTrigger }>(
    path,
    {
      // The function gets to see what is in the bucket.
      config: { permission: ['functions:write', 'buckets:read'], audit: 'storage_trigger.create' },
      schema: {
        ...about('createStorageTrigger', 'Call a function when objects of a bucket come or go'),
        params: FunctionParams,
        body: named(CreateStorageTrigger),
        response: { 201: json('From now on it is called.', TriggerView), ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const { record } = await functions.get(account, params.name)
      reply.code(201)
      return viewOf(await functions.storageTriggers.create(record, body))
    },
  )

  app.get<ByFunction>(
    path,
    {
      config: { permission: 'functions:read' },
      schema: {
        ...about('listStorageTriggers', 'For which objects a function is called'),
        params: FunctionParams,
        response: { 200: json('All of them.', TriggerList), ...problems },
      },
    },
    async ({ account, params }) => {
      const { record } = await functions.get(account, params.name)
      return { triggers: (await functions.storageTriggers.list(record)).map(viewOf) }
    },
  )

  app.delete<{ Params: Static<typeof TriggerParams> }>(
    `${path}/:id`,
    {
      config: { permission: 'functions:write', audit: 'storage_trigger.delete' },
      schema: {
        ...about('deleteStorageTrigger', 'Call a function for these objects no more'),
        params: TriggerParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      const { record } = await functions.get(account, params.name)
      await functions.storageTriggers.remove(record, params.id)
      return reply.code(204).send()
    },
  )
}

function viewOf({ id, bucket, prefix, suffix, events, createdAt }: StorageTrigger): Static<typeof TriggerView> {
  return { id, bucket, prefix, suffix, events, createdAt: createdAt.toISOString() }
}
