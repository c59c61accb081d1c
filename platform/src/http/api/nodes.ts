import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Nodes } from '../../nodes/nodes.ts'
import { json, named, problems } from './schema.ts'

const NodeView = Type.Object(
  {
    id: Type.String(),
    host: Type.String({ description: 'The name of its machine.' }),
    address: Type.String({ description: 'Where the platform reaches it.' }),
    state: Type.Enum(['ready', 'unreachable', 'lost'], {
      description: '`unreachable`: requests failed a moment ago; `lost`: not heard of, or stopped.',
    }),
    heardAt: Type.Optional(Type.String({ format: 'date-time', description: 'Absent when it said that it stops.' })),
    sandboxes: Type.Integer({ description: 'That have a place there now.' }),
    memoryMb: Type.Integer({ description: 'Of its machine.' }),
    promisedMb: Type.Integer({ description: 'What its sandboxes may use of that.' }),
  },
  { $id: 'Node' },
)
const NodeList = Type.Object({ nodes: Type.Array(named(NodeView)) }, { $id: 'NodeList' })
const RemovedNode = Type.Object(
  { lost: Type.Integer({ description: 'Sandboxes that it had: they have failed now.' }) },
  { $id: 'RemovedNode' },
)

export const nodeSchemas = [NodeView, NodeList, RemovedNode]

/** /v1/nodes: the workers that run sandboxes for the platform. */
export function nodeRoutes(app: FastifyInstance, nodes: Nodes): void {
  app.get(
    '/nodes',
    {
      config: { permission: 'platform:manage' },
      schema: {
        operationId: 'listNodes',
        summary: 'The workers that run sandboxes for the platform',
        tags: ['platform'],
        response: { 200: json('All of them.', NodeList), ...problems },
      },
    },
    async (): Promise<Static<typeof NodeList>> => ({
      nodes: (await nodes.list()).map(({ node, reachable }) => ({
        id: node.id,
        host: node.host,
        address: node.address,
        state: !node.isHeard ? 'lost' : reachable ? 'ready' : 'unreachable',
        ...(node.heardAt ? { heardAt: node.heardAt.toISOString() } : {}),
        sandboxes: node.sandboxes,
        memoryMb: node.memoryMb,
        promisedMb: Math.round(node.promisedMb),
      })),
    }),
  )

  app.delete<{ Params: { node: string } }>(
    '/nodes/:node',
    {
      config: { permission: 'platform:manage', audit: 'node.remove' },
      schema: {
        operationId: 'removeNode',
        summary: 'Give up a worker that is gone for good, and its sandboxes with it',
        tags: ['platform'],
        params: Type.Object({ node: Type.String({ maxLength: 64 }) }),
        response: { 200: json('It is forgotten.', RemovedNode), ...problems },
      },
    },
    async ({ params }) => ({ lost: await nodes.remove(params.node) }),
  )
}
