import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import type { Organisation } from '../../accounts/organisations.ts'
import { allows } from '../../accounts/roles.ts'
import { WarrenError } from '../../errors.ts'
import { json, named, problems } from './schema.ts'

const OrgName = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
  description: 'Lower case letters, digits and dashes; it stands in names of snapshots.',
})
const Limit = Type.Integer({ minimum: 0, maximum: 1_000_000 })
const exact = { additionalProperties: false }

const CreateOrg = Type.Object({ name: OrgName, maxSandboxes: Type.Optional(Limit) }, { ...exact, $id: 'CreateOrg' })
const ChangeOrg = Type.Object(
  {
    name: Type.Optional(OrgName),
    maxSandboxes: Type.Optional(
      Type.Union([Limit, Type.Null()], {
        description: 'null: as many as the setting says. Only the operator sets it.',
      }),
    ),
  },
  { ...exact, $id: 'ChangeOrg' },
)
const OrgView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    maxSandboxes: Type.Integer({ description: 'How many of its sandboxes may live at once.' }),
    createdAt: Type.String(),
  },
  { $id: 'Org' },
)
const OrgList = Type.Object({ orgs: Type.Array(named(OrgView)) }, { $id: 'OrgList' })
export const ByOrg = Type.Object({ organisation: Type.String({ maxLength: 64 }) })
type ByOrg = { Params: Static<typeof ByOrg> }

export const orgSchemas = [CreateOrg, ChangeOrg, OrgView, OrgList]

/** /v1/orgs: organisations. Who belongs to one is in members.ts. */
export function orgRoutes(app: FastifyInstance, { organisations, members }: Accounts): void {
  app.get(
    '/orgs',
    {
      config: { permission: 'self' },
      schema: {
        operationId: 'listOrgs',
        summary: 'The organisations that you can act for',
        tags: ['accounts'],
        response: { 200: json('Those that you joined first come first.', OrgList), ...problems },
      },
    },
    async ({ principal }) => {
      if (principal.kind === 'admin') return { orgs: (await organisations.list()).map(viewOf) }
      const ids =
        principal.kind === 'user'
          ? (await members.of(principal.id)).map(({ accountId }) => accountId)
          : [principal.accountId]
      return { orgs: (await Promise.all(ids.map((id) => organisations.get(id)))).map(viewOf) }
    },
  )

  app.post<{ Body: Static<typeof CreateOrg> }>(
    '/orgs',
    {
      config: { permission: 'platform:manage', audit: 'org.create' },
      schema: {
        operationId: 'createOrg',
        summary: 'Make an organisation',
        tags: ['accounts'],
        body: named(CreateOrg),
        response: { 201: json('It is there, and nobody is in it.', OrgView), ...problems },
      },
    },
    async ({ body }, reply) => {
      reply.code(201)
      return viewOf(await organisations.create(body))
    },
  )

  app.get<ByOrg>(
    '/orgs/:organisation',
    {
      config: { permission: 'members:read' },
      schema: {
        operationId: 'getOrg',
        summary: 'One organisation',
        tags: ['accounts'],
        params: ByOrg,
        response: { 200: json('The organisation.', OrgView), ...problems },
      },
    },
    async ({ account }) => viewOf(await organisations.get(account.id)),
  )

  app.patch<ByOrg & { Body: Static<typeof ChangeOrg> }>(
    '/orgs/:organisation',
    {
      config: { permission: 'org:manage', audit: 'org.change' },
      schema: {
        operationId: 'changeOrg',
        summary: 'Rename an organisation, or limit it',
        tags: ['accounts'],
        params: ByOrg,
        body: named(ChangeOrg),
        response: { 200: json('As it is now.', OrgView), ...problems },
      },
    },
    async ({ account, principal, body }) => {
      if (body.maxSandboxes !== undefined && !allows(principal, 'platform:manage'))
        throw new WarrenError('forbidden', 'only the operator sets "maxSandboxes"')
      return viewOf(await organisations.change(account.id, body))
    },
  )
}

function viewOf({ id, name, maxSandboxes, createdAt }: Organisation): Static<typeof OrgView> {
  return { id, name, maxSandboxes, createdAt: createdAt.toISOString() }
}
