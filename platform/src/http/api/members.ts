import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import type { Link } from '../../accounts/links.ts'
import { authorizeGrant } from '../../accounts/roles.ts'
import { roleNames } from '../../config/role-names.ts'
import { WarrenError } from '../../errors.ts'
import { Email } from './auth.ts'
import { ByOrg } from './orgs.ts'
import { json, Nothing, named, problems } from './schema.ts'

export const RoleName = Type.Enum([...roleNames])
const exact = { additionalProperties: false }

const MemberView = Type.Object(
  { userId: Type.String(), email: Type.String(), name: Type.String(), role: RoleName, since: Type.String() },
  { $id: 'Member' },
)
const MemberList = Type.Object({ members: Type.Array(named(MemberView)) }, { $id: 'MemberList' })
const SetRole = Type.Object({ role: RoleName }, { ...exact, $id: 'SetRole' })
const Invite = Type.Object(
  { email: Email, role: RoleName, hours: Type.Optional(Type.Integer({ minimum: 1, maximum: 720 })) },
  { ...exact, $id: 'Invite' },
)
const InvitationView = Type.Object(
  {
    id: Type.String(),
    email: Type.String(),
    role: RoleName,
    createdAt: Type.String(),
    expiresAt: Type.String(),
    link: Type.Optional(Type.String({ description: 'What the person is sent; told when it is made, and not again.' })),
  },
  { $id: 'Invitation' },
)
const InvitationList = Type.Object({ invitations: Type.Array(named(InvitationView)) }, { $id: 'InvitationList' })
const ByMember = Type.Object({ ...ByOrg.properties, user: Type.String({ maxLength: 64 }) })
const ByInvitation = Type.Object({ ...ByOrg.properties, invitation: Type.String({ maxLength: 64 }) })
type InOrg = { Params: Static<typeof ByOrg> }
type ByMember = { Params: Static<typeof ByMember> }

export const memberSchemas = [MemberView, MemberList, SetRole, Invite, InvitationView, InvitationList]

const usualHours = 72

/** /v1/orgs/…/members and invitations: who belongs to an organisation. */
export function memberRoutes(app: FastifyInstance, { members, links, publicUrl }: Accounts): void {
  app.get<InOrg>(
    '/orgs/:organisation/members',
    {
      config: { permission: 'members:read', audit: 'member.list' },
      schema: {
        operationId: 'listMembers',
        summary: 'Who belongs to an organisation',
        tags: ['accounts'],
        params: ByOrg,
        response: { 200: json('Those who joined first come first.', MemberList), ...problems },
      },
    },
    async ({ account }) => {
      const all = await members.list(account.id)
      return { members: all.map(({ since, ...member }) => ({ ...member, since: since.toISOString() })) }
    },
  )

  app.patch<ByMember & { Body: Static<typeof SetRole> }>(
    '/orgs/:organisation/members/:user',
    {
      config: { permission: 'members:manage', audit: 'member.set_role' },
      schema: {
        operationId: 'setMemberRole',
        summary: 'Give a member another role',
        tags: ['accounts'],
        params: ByMember,
        body: named(SetRole),
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, principal, params, body }, reply) => {
      await members.setRole({ principal, accountId: account.id, userId: params.user }, body.role)
      return reply.code(204).send()
    },
  )

  app.delete<ByMember>(
    '/orgs/:organisation/members/:user',
    {
      config: { permission: 'members:manage', audit: 'member.remove' },
      schema: {
        operationId: 'removeMember',
        summary: 'Take somebody out of an organisation',
        tags: ['accounts'],
        params: ByMember,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, principal, params }, reply) => {
      await members.remove({ principal, accountId: account.id, userId: params.user })
      return reply.code(204).send()
    },
  )

  app.post<InOrg & { Body: Static<typeof Invite> }>(
    '/orgs/:organisation/invitations',
    {
      config: { permission: 'members:manage', audit: 'invitation.create' },
      schema: {
        operationId: 'invite',
        summary: 'Invite somebody; the answer has the link to send them',
        tags: ['accounts'],
        params: ByOrg,
        body: named(Invite),
        response: { 201: json('The invitation.', InvitationView), ...problems },
      },
    },
    async ({ account, principal, body: { email, role, hours = usualHours } }, reply) => {
      authorizeGrant(principal, { role, scopes: undefined })
      const invitation = { accountId: account.id, role }
      const { link, token } = await links.create({ email, principal, hours, invitation })
      reply.code(201)
      return { ...viewOf(link), link: `${publicUrl()}/join#${token}` }
    },
  )

  app.get<InOrg>(
    '/orgs/:organisation/invitations',
    {
      config: { permission: 'members:manage', audit: 'invitation.list' },
      schema: {
        operationId: 'listInvitations',
        summary: 'Invitations that nobody has taken up yet',
        tags: ['accounts'],
        params: ByOrg,
        response: { 200: json('The newest first.', InvitationList), ...problems },
      },
    },
    async ({ account }) => ({ invitations: (await links.open(account.id)).map(viewOf) }),
  )

  app.delete<{ Params: Static<typeof ByInvitation> }>(
    '/orgs/:organisation/invitations/:invitation',
    {
      config: { permission: 'members:manage', audit: 'invitation.withdraw' },
      schema: {
        operationId: 'withdrawInvitation',
        summary: 'Withdraw an invitation',
        tags: ['accounts'],
        params: ByInvitation,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      if (!(await links.withdraw(account.id, params.invitation)))
        throw new WarrenError('not_found', `there is no open invitation "${params.invitation}"`)
      return reply.code(204).send()
    },
  )
}

function viewOf({ id, email, role, createdAt, expiresAt }: Link): Static<typeof InvitationView> {
  return { id, email, role: role!, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() }
}
