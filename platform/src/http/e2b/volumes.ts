import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { type Volume, VolumeName } from '../../volumes/volume.ts'
import type { Volumes } from '../../volumes/volumes.ts'
import { Refusal } from './refusal.ts'
import type { SandboxTokens } from './tokens.ts'

const ByVolume = Type.Object({ volumeID: Type.String({ maxLength: 256 }) })
type ByVolume = { Params: Static<typeof ByVolume> }
const NewVolume = Type.Object({ name: VolumeName }, { additionalProperties: false })

/** Volumes, as E2B's clients ask for them. What is in them is asked for with the token, in volume-content.ts. */
export function e2bVolumeRoutes(app: FastifyInstance, volumes: Volumes, tokens: SandboxTokens): void {
  const withToken = ({ id, name }: Volume) => ({ volumeID: id, name, token: tokens.volume(id) })

  app.post<{ Body: Static<typeof NewVolume> }>(
    '/volumes',
    { config: { permission: 'volumes:write', audit: 'volume.create' }, schema: { body: NewVolume } },
    async (request, reply) => {
      const created = await volumes.create(request.account, request.body)
      reply.code(201)
      return withToken(created)
    },
  )

  app.get('/volumes', { config: { permission: 'volumes:read' } }, async ({ account }) =>
    (await volumes.list(account)).map(({ id, name }) => ({ volumeID: id, name })),
  )

  // The answer carries the token for what is in it.
  app.get<ByVolume>(
    '/volumes/:volumeID',
    { config: { permission: ['volumes:read', 'volumes:write'], audit: 'volume.read' }, schema: { params: ByVolume } },
    async ({ account, params }) => withToken(await known(params.volumeID, volumes.get(account, params.volumeID))),
  )

  app.delete<ByVolume>(
    '/volumes/:volumeID',
    { config: { permission: 'volumes:write', audit: 'volume.delete' }, schema: { params: ByVolume } },
    async ({ account, params }, reply) => {
      await known(params.volumeID, volumes.remove(account, params.volumeID))
      return reply.code(204).send()
    },
  )
}

async function known<T>(id: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not_found')
      throw new Refusal(404, `Volume "${id.slice(0, 64)}" doesn't exist or you don't have access to it`)
    throw error
  }
}
