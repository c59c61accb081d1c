import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import { Refusal } from './refusal.ts'
import { ById, emptyBodyIsFine, known, subjectOf } from './sandboxes.ts'
import { fullName, nameFilter, removeNamed, snapshotView } from './snapshot-names.ts'

const CreateSnapshot = Type.Object(
  { name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })) },
  { additionalProperties: false },
)
const SnapshotsQuery = Type.Object(
  {
    sandboxID: Type.Optional(Type.String({ maxLength: 64 })),
    name: Type.Optional(Type.String({ maxLength: 256 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    nextToken: Type.Optional(Type.String({ maxLength: 512 })),
  },
  { additionalProperties: false },
)

/**
 * Saved states of sandboxes, which E2B takes for templates. One without a name is `ID:default`; one with a name is
 * `TEAM/NAME:TAG`, and that is how it is called at the native door too. The same name again takes the place of the one before.
 */
export function e2bSnapshotRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.post<ById & { Body: Static<typeof CreateSnapshot> }>(
    '/sandboxes/:sandboxID/snapshots',
    {
      config: { permission: 'snapshots:write', audit: 'snapshot.create' },
      schema: { params: ById, body: CreateSnapshot },
      preValidation: emptyBodyIsFine,
    },
    async (request, reply) => {
      const { account, body } = request
      const name = body.name === undefined ? undefined : fullName(account, body.name)
      const input = name === undefined ? {} : { name }
      const made = await known(request, sandboxes.snapshots.create(subjectOf(request), input, clientGone(reply.raw)))
      if (name !== undefined) await removeNamed(sandboxes, account, name, made)
      reply.code(201)
      return snapshotView(account, made)
    },
  )

  app.get<{ Querystring: Static<typeof SnapshotsQuery> }>(
    '/snapshots',
    { config: { permission: 'snapshots:read' }, schema: { querystring: SnapshotsQuery } },
    async ({ account, query }, reply) => {
      const { sandboxID, name, limit = 100, nextToken } = query
      const page = await sandboxes.snapshots
        .list(account, {
          limit,
          ...(sandboxID ? { sandbox: sandboxID } : {}),
          ...(name ? nameFilter(account, name) : {}),
          ...(nextToken ? { cursor: nextToken } : {}),
        })
        .catch((error) => {
          if (nextToken && error instanceof WarrenError && error.code === 'invalid_request')
            throw new Refusal(400, 'Invalid next token')
          throw error
        })
      if (page.nextCursor) reply.header('x-next-token', page.nextCursor)
      return page.snapshots.map((snapshot) => snapshotView(account, snapshot))
    },
  )
}
