import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import type { Key } from '../../accounts/key.ts'
import { authorizeGrant, permissionNames } from '../../accounts/roles.ts'
import type { ServiceAccount } from '../../accounts/service-accounts.ts'
import { WarrenError } from '../../errors.ts'
import { plainText } from '../../sandboxes/sandbox.ts'
import { RoleName } from './members.ts'
import { json, Nothing, named, problems } from './schema.ts'

const Name = Type.String({ minLength: 1, maxLength: 128, ...plainText })
const Scopes = Type.Array(Type.Enum(permissionNames), { maxItems: 64, uniqueItems: true })
const exact = { additionalProperties: false }

const CreateKey = Type.Object(
  {
    name: Name,
    role: Type.Optional(RoleName),
    scopes: Type.Optional(Scopes),
    expiresInSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 * 365 * 86_400 })),
    serviceAccount: Type.Optional(Type.String({ maxLength: 128, description: 'Whose key it is; its role is theirs.' })),
  },
  { ...exact, $id: 'CreateKey' },
)
const KeyView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    kind: Type.Enum(['key', 'token']),
    masked: Type.String({ description: 'How it begins and ends.' }),
    role: RoleName,
    scopes: Type.Optional(Type.Array(Type.String())),
    serviceAccountId: Type.Optional(Type.String()),
    createdBy: Type.Optional(Type.String()),
    createdAt: Type.String(),
    expiresAt: Type.Optional(Type.String()),
    lastUsedAt: Type.Optional(Type.String()),
    key: Type.Optional(Type.String({ description: 'Itself; told when it is made, and not again.' })),
  },
  { $id: 'Key' },
)
const KeyList = Type.Object({ keys: Type.Array(named(KeyView)) }, { $id: 'KeyList' })
const CreateService = Type.Object({ name: Name, role: RoleName }, { ...exact, $id: 'CreateServiceAccount' })
const ServiceView = Type.Object(
  { id: Type.String(), name: Type.String(), role: RoleName, createdBy: Type.String(), createdAt: Type.String() },
  { $id: 'ServiceAccount' },
)
const ServiceList = Type.Object({ serviceAccounts: Type.Array(named(ServiceView)) }, { $id: 'ServiceAccountList' })
const ByKey = Type.Object({ key: Type.String({ maxLength: 64 }) })
const ByService = Type.Object({ serviceAccount: Type.String({ maxLength: 128 }) })

export const keySchemas = [CreateKey, KeyView, KeyList, CreateService, ServiceView, ServiceList]

/** /v1/keys and /v1/service-accounts: what programs come in with. */
export function keyRoutes(app: FastifyInstance, { keys, serviceAccounts }: Accounts): void {
  app.post<{ Body: Static<typeof CreateKey> }>(
    '/keys',
    {
      config: { permission: 'keys:manage', audit: 'key.create' },
      schema: {
        operationId: 'createKey',
        summary: 'Make a key; the answer has it, this once',
        tags: ['accounts'],
        body: named(CreateKey),
        response: { 201: json('The key.', KeyView), ...problems },
      },
    },
    async ({ account, principal, body }, reply) => {
      const { name, scopes, expiresInSeconds, serviceAccount } = body
      if (serviceAccount !== undefined && body.role !== undefined)
        throw new WarrenError('invalid_request', '"role" is that of the service account: say one of the two')
      const service = serviceAccount === undefined ? undefined : await serviceAccounts.get(account.id, serviceAccount)
      const role = service?.role ?? body.role ?? 'developer'
      authorizeGrant(principal, { role, scopes })
      const { key, secret } = await keys.create(account.id, {
        kind: 'key',
        name,
        role,
        scopes,
        expiresAt: expiresInSeconds === undefined ? undefined : new Date(Date.now() + expiresInSeconds * 1000),
        createdBy: principal.id,
        serviceId: service?.id,
      })
      reply.code(201)
      return { ...viewOf(key), key: secret }
    },
  )

  app.get(
    '/keys',
    {
      config: { permission: 'keys:manage', audit: 'key.list' },
      schema: {
        operationId: 'listKeys',
        summary: 'List keys, oldest first',
        tags: ['accounts'],
        response: { 200: json('What they are is not known any more.', KeyList), ...problems },
      },
    },
    async ({ account }) => ({ keys: (await keys.list(account.id)).map(viewOf) }),
  )

  app.delete<{ Params: Static<typeof ByKey> }>(
    '/keys/:key',
    {
      config: { permission: 'keys:manage', audit: 'key.revoke' },
      schema: {
        operationId: 'revokeKey',
        summary: 'Revoke a key: within a second it is good nowhere',
        tags: ['accounts'],
        params: ByKey,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      if (!(await keys.remove(account.id, { id: params.key })))
        throw new WarrenError('not_found', `there is no key "${params.key}"`)
      return reply.code(204).send()
    },
  )

  app.post<{ Body: Static<typeof CreateService> }>(
    '/service-accounts',
    {
      config: { permission: 'keys:manage', audit: 'service_account.create' },
      schema: {
        operationId: 'createServiceAccount',
        summary: 'Make a service account: a program that is a member',
        tags: ['accounts'],
        body: named(CreateService),
        response: { 201: json('It is there, and has no key yet.', ServiceView), ...problems },
      },
    },
    async ({ principal, body }, reply) => {
      reply.code(201)
      return serviceView(await serviceAccounts.create(principal, body))
    },
  )

  app.get(
    '/service-accounts',
    {
      config: { permission: 'keys:manage', audit: 'service_account.list' },
      schema: {
        operationId: 'listServiceAccounts',
        summary: 'List service accounts, oldest first',
        tags: ['accounts'],
        response: { 200: json('All of them.', ServiceList), ...problems },
      },
    },
    async ({ account }) => ({ serviceAccounts: (await serviceAccounts.list(account.id)).map(serviceView) }),
  )

  app.delete<{ Params: Static<typeof ByService> }>(
    '/service-accounts/:serviceAccount',
    {
      config: { permission: 'keys:manage', audit: 'service_account.remove' },
      schema: {
        operationId: 'removeServiceAccount',
        summary: 'Remove a service account with its keys',
        tags: ['accounts'],
        params: ByService,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await serviceAccounts.remove(account.id, params.serviceAccount)
      return reply.code(204).send()
    },
  )
}

function viewOf(key: Key): Static<typeof KeyView> {
  const { id, name, kind, mask, role, scopes, serviceId, createdBy, createdAt, expiresAt, lastUsedAt } = key
  return {
    id,
    name,
    kind,
    masked: `${mask.prefix}${mask.maskedValuePrefix}…${mask.maskedValueSuffix}`,
    role,
    ...(scopes ? { scopes } : {}),
    ...(serviceId ? { serviceAccountId: serviceId } : {}),
    ...(createdBy ? { createdBy } : {}),
    createdAt: createdAt.toISOString(),
    ...(expiresAt ? { expiresAt: expiresAt.toISOString() } : {}),
    ...(lastUsedAt ? { lastUsedAt: lastUsedAt.toISOString() } : {}),
  }
}

function serviceView({ createdAt, ...service }: ServiceAccount): Static<typeof ServiceView> {
  return { ...service, createdAt: createdAt.toISOString() }
}
