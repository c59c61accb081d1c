import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Key } from '../../accounts/key.ts'
import type { Keys } from '../../accounts/keys.ts'
import { authorizeGrant } from '../../accounts/roles.ts'
import { plainText } from '../../sandboxes/sandbox.ts'
import { Refusal } from './refusal.ts'

const ById = Type.Object({ id: Type.String({ maxLength: 64 }) })
const Named = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 128, ...plainText }) },
  { additionalProperties: false },
)
type ById = { Params: Static<typeof ById> }
type Named = { Body: Static<typeof Named> }

/** Keys of the team, and the tokens that may make them. One that was lost cannot be shown again. */
export function e2bKeyRoutes(app: FastifyInstance, keys: Keys): void {
  app.get('/api-keys', { config: { permission: 'keys:manage', audit: 'key.list' } }, async ({ account }) =>
    (await keys.list(account.id, 'key')).map(viewOf),
  )

  app.post<Named>(
    '/api-keys',
    { config: { permission: 'keys:manage', audit: 'key.create' }, schema: { body: Named } },
    async ({ account, principal, body }, reply) => {
      authorizeGrant(principal, { role: 'developer', scopes: undefined })
      const wanted = { kind: 'key', name: body.name, createdBy: principal.id } as const
      const { key, secret } = await keys.create(account.id, wanted)
      reply.code(201)
      return { ...viewOf(key), key: secret }
    },
  )

  app.patch<ById & Named>(
    '/api-keys/:id',
    { config: { permission: 'keys:manage', audit: 'key.rename' }, schema: { params: ById, body: Named } },
    async ({ account, params, body }, reply) => {
      if (!(await keys.rename(account.id, params.id, body.name))) throw noKey(params.id)
      return reply.code(204).send()
    },
  )

  app.delete<ById>(
    '/api-keys/:id',
    { config: { permission: 'keys:manage', audit: 'key.remove' }, schema: { params: ById } },
    async ({ account, params }, reply) => {
      if (!(await keys.remove(account.id, { id: params.id, kind: 'key' }))) throw noKey(params.id)
      return reply.code(204).send()
    },
  )

  app.post<Named>(
    '/access-tokens',
    { config: { permission: 'keys:manage', audit: 'token.create' }, schema: { body: Named } },
    async ({ account, principal, body }, reply) => {
      authorizeGrant(principal, { role: 'admin', scopes: undefined })
      const wanted = { kind: 'token', name: body.name, createdBy: principal.id } as const
      const { key, secret } = await keys.create(account.id, wanted)
      reply.code(201)
      const { id, name, mask, createdAt } = viewOf(key)
      return { id, name, token: secret, mask, createdAt }
    },
  )

  app.delete<ById>(
    '/access-tokens/:id',
    { config: { permission: 'keys:manage', audit: 'token.remove' }, schema: { params: ById } },
    async ({ account, params }, reply) => {
      if (!(await keys.remove(account.id, { id: params.id, kind: 'token' }))) throw noKey(params.id)
      return reply.code(204).send()
    },
  )
}

function viewOf({ id, name, mask, createdAt, lastUsedAt }: Key) {
  return {
    id,
    name,
    mask,
    createdAt: createdAt.toISOString(),
    createdBy: null,
    lastUsed: lastUsedAt?.toISOString() ?? null,
  }
}

function noKey(id: string): Refusal {
  return new Refusal(404, `id '${id}' not found`)
}
