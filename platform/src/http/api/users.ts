import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import { permissionNames, permissionsOf } from '../../accounts/roles.ts'
import { userOf } from '../../accounts/users.ts'
import { roleNames } from '../../config/role-names.ts'
import { WarrenError } from '../../errors.ts'
import { clientOf } from '../client-of.ts'
import { Code, Email, Password, personOf } from './auth.ts'
import { json, Nothing, named, problems } from './schema.ts'

const exact = { additionalProperties: false }

const Me = Type.Object(
  {
    kind: Type.Enum(['admin', 'key', 'user', 'service']),
    id: Type.String(),
    organisation: Type.Object({ id: Type.String(), name: Type.String() }),
    role: Type.Enum([...roleNames, 'operator']),
    permissions: Type.Array(Type.Enum(permissionNames)),
    user: Type.Optional(
      Type.Object({
        email: Type.String(),
        name: Type.String(),
        hasPassword: Type.Boolean(),
        hasSecondFactor: Type.Boolean(),
        createdAt: Type.String(),
      }),
    ),
  },
  { $id: 'Me' },
)
const ChangePassword = Type.Object(
  { current: Password, next: Password, code: Type.Optional(Code) },
  { ...exact, $id: 'ChangePassword' },
)
const ShowCode = Type.Object({ code: Code }, { ...exact, $id: 'ShowCode' })
const NewSecondFactor = Type.Object(
  { secret: Type.String(), uri: Type.String({ description: 'What an authenticator reads as a QR code.' }) },
  { $id: 'NewSecondFactor' },
)
const RecoveryCodes = Type.Object({ recoveryCodes: Type.Array(Type.String()) }, { $id: 'RecoveryCodes' })
const NewPasswordLink = Type.Object({ email: Email }, { ...exact, $id: 'NewPasswordLink' })
const PasswordLink = Type.Object({ link: Type.String(), expiresAt: Type.String() }, { $id: 'PasswordLink' })

export const userSchemas = [Me, ChangePassword, ShowCode, NewSecondFactor, RecoveryCodes, NewPasswordLink, PasswordLink]

const passwordLinkHours = 24

/** /v1/users: who calls, and what they can do with their own account. */
export function userRoutes(app: FastifyInstance, accounts: Accounts): void {
  const { users, secondFactor } = accounts
  const row = (request: FastifyRequest) => users.get(personOf(request).userId)

  app.get(
    '/users/me',
    {
      config: { permission: 'self' },
      schema: {
        operationId: 'whoAmI',
        summary: 'Who calls, for which organisation, and what they may do',
        tags: ['accounts'],
        response: { 200: json('You.', Me), ...problems },
      },
    },
    async ({ principal, account }) => {
      const { kind, id, role } = principal
      const organisation = { id: account.id, name: account.name }
      const about = { kind, id, organisation, role, permissions: [...permissionsOf(principal)] }
      if (kind !== 'user') return about
      const { id: _, createdAt, ...user } = userOf(await users.get(id))
      return { ...about, user: { ...user, createdAt: createdAt.toISOString() } }
    },
  )

  app.post<{ Body: Static<typeof ChangePassword> }>(
    '/users/me/password',
    {
      config: { permission: 'self', unaudited: 'told by accounts/, in each organisation of the person' },
      schema: {
        operationId: 'changePassword',
        summary: 'Set another password; every other session ends',
        tags: ['accounts'],
        body: named(ChangePassword),
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      await accounts.changePassword(personOf(request), request.body, clientOf(request))
      return reply.code(204).send()
    },
  )

  app.post(
    '/users/me/totp',
    {
      config: { permission: 'self', audit: 'second_factor.prepare' },
      schema: {
        operationId: 'prepareSecondFactor',
        summary: 'A secret for an authenticator; it counts once a code of it was shown',
        tags: ['accounts'],
        response: { 200: json('The secret, told this once.', NewSecondFactor), ...problems },
      },
    },
    async (request) => secondFactor.prepare(await row(request)),
  )

  app.post<{ Body: Static<typeof ShowCode> }>(
    '/users/me/totp/confirm',
    {
      config: { permission: 'self', audit: 'second_factor.confirm' },
      schema: {
        operationId: 'confirmSecondFactor',
        summary: 'Show a code: from now on one is asked for',
        tags: ['accounts'],
        body: named(ShowCode),
        response: { 200: json('Codes for when it is lost, told this once.', RecoveryCodes), ...problems },
      },
    },
    async (request) => ({ recoveryCodes: await secondFactor.confirm(await row(request), request.body.code) }),
  )

  app.post<{ Body: Static<typeof ShowCode> }>(
    '/users/me/totp/remove',
    {
      config: { permission: 'self', audit: 'second_factor.remove' },
      schema: {
        operationId: 'removeSecondFactor',
        summary: 'Remove the second factor, with a code of it',
        tags: ['accounts'],
        body: named(ShowCode),
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const { userId } = personOf(request)
      await accounts.removeSecondFactor({ userId, code: request.body.code }, clientOf(request))
      return reply.code(204).send()
    },
  )

  app.post<{ Body: Static<typeof NewPasswordLink> }>(
    '/users/password-links',
    {
      config: { permission: 'platform:manage', audit: 'user.link_password' },
      schema: {
        operationId: 'createPasswordLink',
        summary: 'A link by which somebody can set a new password',
        tags: ['accounts'],
        body: named(NewPasswordLink),
        response: { 201: json('Told this once.', PasswordLink), ...problems },
      },
    },
    async ({ principal, body: { email } }, reply) => {
      if (!(await users.findByEmail(email))) throw new WarrenError('not_found', `nobody is known by ${email}`)
      const { link, token } = await accounts.links.create({ email, principal, hours: passwordLinkHours })
      reply.code(201)
      return { link: `${accounts.publicUrl()}/join#${token}`, expiresAt: link.expiresAt.toISOString() }
    },
  )
}
