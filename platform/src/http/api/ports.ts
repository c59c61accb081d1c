import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Places } from '../places.ts'
import { json, named, problems, SandboxParams } from './schema.ts'

const Port = Type.Object({ port: Type.Integer(), address: Type.String(), url: Type.String() }, { $id: 'Port' })
const PortList = Type.Object({ ports: Type.Array(named(Port)) }, { $id: 'PortList' })

export const portSchemas = [Port, PortList]

/** /v1/sandboxes/:id/ports: what listens inside. Requests to a port itself are in previews.ts. */
export function portRoutes(app: FastifyInstance, sandboxes: Sandboxes, places: Places): void {
  app.get<{ Params: Static<typeof SandboxParams> }>(
    '/sandboxes/:id/ports',
    {
      config: { permission: 'sandboxes:read' },
      schema: {
        operationId: 'listPorts',
        summary: 'Which TCP ports are listened on inside',
        description:
          'Any request to `/v1/sandboxes/{id}/ports/{port}/{path}` or to the `url` of the port goes to what listens there: ' +
          'every method, streamed both ways, WebSocket too. It needs the key, which is not passed on.',
        tags: ['ports'],
        params: SandboxParams,
        response: { 200: json('The ports that are listened on.', PortList), ...problems },
      },
    },
    async ({ account, params: { id } }) => {
      const { guest } = await sandboxes.running({ account, id })
      const ports = await guest.ports()
      return { ports: ports.map((found) => ({ ...found, url: places.ofPort(id, found.port) })) }
    },
  )
}
