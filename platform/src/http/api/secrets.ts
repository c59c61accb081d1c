import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { CreateSecret, type Secret, SecretView, UpdateSecret } from '../../secrets/secret.ts'
import type { Secrets } from '../../secrets/secrets.ts'
import { json, Nothing, named, problems } from './schema.ts'

const SecretParams = Type.Object({ secret: Type.String({ maxLength: 128, description: 'Its id or its name.' }) })
type BySecret = { Params: Static<typeof SecretParams> }

const SecretList = Type.Object({ secrets: Type.Array(named(SecretView)) }, { $id: 'SecretList' })

export const secretSchemas = [CreateSecret, UpdateSecret, SecretView, SecretList]

/** /v1/secrets: values that go in and do not come out. */
export function secretRoutes(app: FastifyInstance, secrets: Secrets): void {
  app.post<{ Body: CreateSecret }>(
    '/secrets',
    {
      config: { permission: 'secrets:manage', audit: 'secret.create' },
      schema: {
        operationId: 'createSecret',
        summary: 'Keep a value that is never shown again',
        tags: ['secrets'],
        body: named(CreateSecret),
        response: { 201: json('It is kept.', SecretView), ...problems },
      },
    },
    async ({ account, body }, reply) => {
      reply.code(201)
      return viewOf(await secrets.create(account, body))
    },
  )

  app.get(
    '/secrets',
    {
      config: { permission: 'secrets:read', audit: 'secret.list' },
      schema: {
        operationId: 'listSecrets',
        summary: 'List secrets, newest first, without their values',
        tags: ['secrets'],
        response: { 200: json('All of them.', SecretList), ...problems },
      },
    },
    async ({ account }) => ({ secrets: (await secrets.list(account)).map(viewOf) }),
  )

  app.get<BySecret>(
    '/secrets/:secret',
    {
      config: { permission: 'secrets:read', audit: 'secret.read' },
      schema: {
        operationId: 'getSecret',
        summary: 'What is known of one secret',
        tags: ['secrets'],
        params: SecretParams,
        response: { 200: json('The secret, without its value.', SecretView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await secrets.get(account, params.secret)),
  )

  app.put<BySecret & { Body: UpdateSecret }>(
    '/secrets/:secret',
    {
      config: { permission: 'secrets:manage', audit: 'secret.update' },
      schema: {
        operationId: 'updateSecret',
        summary: 'A new value, other hosts or other labels, at once wherever it is used',
        tags: ['secrets'],
        params: SecretParams,
        body: named(UpdateSecret),
        response: { 200: json('The secret as it is now.', SecretView), ...problems },
      },
    },
    async ({ account, params, body }) => viewOf(await secrets.update(account, params.secret, body)),
  )

  app.delete<BySecret>(
    '/secrets/:secret',
    {
      config: { permission: 'secrets:manage', audit: 'secret.delete' },
      schema: {
        operationId: 'deleteSecret',
        summary: 'Forget a secret; what would have used it is refused',
        tags: ['secrets'],
        params: SecretParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await secrets.remove(account, params.secret)
      return reply.code(204).send()
    },
  )
}

function viewOf({ accountId: _, createdAt, updatedAt, ...secret }: Secret): Static<typeof SecretView> {
  return { ...secret, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
}
