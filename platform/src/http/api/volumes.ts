import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { CreateVolume, type Volume, VolumeView } from '../../volumes/volume.ts'
import type { Volumes } from '../../volumes/volumes.ts'
import { json, Nothing, named, problems } from './schema.ts'

const VolumeParams = Type.Object({ volume: Type.String({ maxLength: 64, description: 'Its id or its name.' }) })
type ByVolume = { Params: Static<typeof VolumeParams> }

const VolumeList = Type.Object({ volumes: Type.Array(named(VolumeView)) }, { $id: 'VolumeList' })

export const volumeSchemas = [CreateVolume, VolumeView, VolumeList]

/** /v1/volumes: what outlives sandboxes. They are mounted by `volumes` of a create. */
export function volumeRoutes(app: FastifyInstance, volumes: Volumes): void {
  app.post<{ Body: CreateVolume }>(
    '/volumes',
    {
      config: { permission: 'volumes:write', audit: 'volume.create' },
      schema: {
        operationId: 'createVolume',
        summary: 'Make an empty volume',
        tags: ['volumes'],
        body: named(CreateVolume),
        response: { 201: json('It is there.', VolumeView), ...problems },
      },
    },
    async ({ account, body }, reply) => {
      reply.code(201)
      return viewOf(await volumes.create(account, body))
    },
  )

  app.get(
    '/volumes',
    {
      config: { permission: 'volumes:read' },
      schema: {
        operationId: 'listVolumes',
        summary: 'List volumes, newest first',
        tags: ['volumes'],
        response: { 200: json('All of them.', VolumeList), ...problems },
      },
    },
    async ({ account }) => ({ volumes: (await volumes.list(account)).map(viewOf) }),
  )

  app.get<ByVolume>(
    '/volumes/:volume',
    {
      config: { permission: 'volumes:read' },
      schema: {
        operationId: 'getVolume',
        summary: 'One volume',
        tags: ['volumes'],
        params: VolumeParams,
        response: { 200: json('The volume.', VolumeView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await volumes.get(account, params.volume)),
  )

  app.delete<ByVolume>(
    '/volumes/:volume',
    {
      config: { permission: 'volumes:write', audit: 'volume.delete' },
      schema: {
        operationId: 'deleteVolume',
        summary: 'Delete a volume with all that is in it, unless a sandbox has it',
        tags: ['volumes'],
        params: VolumeParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await volumes.remove(account, params.volume)
      return reply.code(204).send()
    },
  )
}

function viewOf({ id, name, sizeMb, createdAt }: Volume): Static<typeof VolumeView> {
  return { id, name, ...(sizeMb === undefined ? {} : { sizeMb }), createdAt: createdAt.toISOString() }
}
