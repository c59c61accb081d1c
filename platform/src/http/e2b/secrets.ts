import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { type Secret, SecretMetadata, SecretName, SecretValue } from '../../secrets/secret.ts'
import type { Secrets } from '../../secrets/secrets.ts'
import { Refusal } from './refusal.ts'

const strict = { additionalProperties: false }
const BySecret = Type.Object({ secretID: Type.String({ maxLength: 256 }) })
type BySecret = { Params: Static<typeof BySecret> }
const NewSecret = Type.Object({ name: SecretName, value: SecretValue, metadata: Type.Optional(SecretMetadata) }, strict)
const SecretUpdate = Type.Object({ value: SecretValue, metadata: Type.Optional(SecretMetadata) }, strict)
const SecretsQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    nextToken: Type.Optional(Type.String({ maxLength: 512 })),
  },
  strict,
)

/** Secrets, as E2B's clients ask for them. A placeholder `${e2b.secrets.NAME}` in a rule stands for one. */
export function e2bSecretRoutes(app: FastifyInstance, secrets: Secrets): void {
  app.post<{ Body: Static<typeof NewSecret> }>(
    '/secrets',
    { config: { permission: 'secrets:manage', audit: 'secret.create' }, schema: { body: NewSecret } },
    async (request, reply) => {
      const created = await secrets.create(request.account, request.body)
      reply.code(201)
      return viewOf(created)
    },
  )

  app.get<{ Querystring: Static<typeof SecretsQuery> }>(
    '/secrets',
    { config: { permission: 'secrets:read', audit: 'secret.list' }, schema: { querystring: SecretsQuery } },
    async ({ account, query: { limit = 100, nextToken } }, reply) => {
      const all = await secrets.list(account)
      const first = nextToken === undefined ? 0 : all.findIndex(({ id }) => tokenOf(id) === nextToken) + 1
      if (nextToken !== undefined && first === 0) throw new Refusal(400, 'Invalid next token')
      const page = all.slice(first, first + limit)
      const last = page.at(-1)
      if (last && first + limit < all.length) reply.header('x-next-token', tokenOf(last.id))
      return page.map(viewOf)
    },
  )

  app.get<BySecret>(
    '/secrets/:secretID',
    { config: { permission: 'secrets:read', audit: 'secret.read' }, schema: { params: BySecret } },
    async ({ account, params }) => viewOf(await known(params.secretID, secrets.get(account, params.secretID))),
  )

  app.post<BySecret & { Body: Static<typeof SecretUpdate> }>(
    '/secrets/:secretID',
    {
      config: { permission: 'secrets:manage', audit: 'secret.update' },
      schema: { params: BySecret, body: SecretUpdate },
    },
    async ({ account, params, body }) =>
      viewOf(await known(params.secretID, secrets.update(account, params.secretID, body))),
  )

  app.delete<BySecret>(
    '/secrets/:secretID',
    { config: { permission: 'secrets:manage', audit: 'secret.delete' }, schema: { params: BySecret } },
    async ({ account, params }, reply) => {
      await known(params.secretID, secrets.remove(account, params.secretID))
      return reply.code(204).send()
    },
  )
}

/** A page goes on after this one. */
function tokenOf(id: string): string {
  return Buffer.from(id).toString('base64url')
}

function viewOf({ id, name, version, metadata, createdAt, updatedAt }: Secret): object {
  return {
    secretID: id,
    name,
    currentVersion: version,
    metadata,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  }
}

async function known<T>(secret: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not_found')
      throw new Refusal(404, `Secret "${secret.slice(0, 128)}" doesn't exist or you don't have access to it`)
    throw error
  }
}
