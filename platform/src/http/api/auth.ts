import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import type { Session, Tokens } from '../../accounts/sessions.ts'
import { WarrenError } from '../../errors.ts'
import { plainText } from '../../sandboxes/sandbox.ts'
import { clientOf } from '../client-of.ts'
import { json, Nothing, named, problems } from './schema.ts'

export const Email = Type.String({ maxLength: 254, pattern: '^\\s*[^\\s@]+@[^\\s@]+\\s*$' })
export const PersonName = Type.String({ minLength: 1, maxLength: 128, ...plainText })
export const Password = Type.String({ minLength: 1, maxLength: 256 })
export const Code = Type.String({
  minLength: 6,
  maxLength: 32,
  description: 'Of the second factor, or one for when it is lost.',
})
const Token = Type.String({ minLength: 1, maxLength: 2048 })
const exact = { additionalProperties: false }

const Login = Type.Object({ email: Email, password: Password, code: Type.Optional(Code) }, { ...exact, $id: 'Login' })
const Join = Type.Object(
  { token: Token, password: Password, name: Type.Optional(PersonName), code: Type.Optional(Code) },
  {
    ...exact,
    $id: 'Join',
    description: 'What a link is taken up with: a new password, or that of who is a user already.',
  },
)
const Refresh = Type.Object({ refreshToken: Token }, { ...exact, $id: 'Refresh' })
export const SignedIn = Type.Object(
  {
    accessToken: Type.String({ description: 'Sent as a key is, until `expiresAt`.' }),
    expiresAt: Type.String(),
    refreshToken: Type.String({ description: 'Good for one refresh. One that is used twice ends the session.' }),
    userId: Type.String(),
    sessionId: Type.String(),
  },
  { $id: 'SignedIn' },
)
const SessionView = Type.Object(
  {
    id: Type.String(),
    method: Type.Enum(['password', 'oidc']),
    address: Type.String(),
    agent: Type.String(),
    createdAt: Type.String(),
    lastUsedAt: Type.String(),
    expiresAt: Type.String(),
    current: Type.Boolean({ description: 'Whether it is the one that asks.' }),
  },
  { $id: 'Session' },
)
const SessionList = Type.Object({ sessions: Type.Array(named(SessionView)) }, { $id: 'SessionList' })
const BySession = Type.Object({ session: Type.String({ maxLength: 64 }) })

export const authSchemas = [Login, Join, Refresh, SignedIn, SessionView, SessionList]

/** /v1/auth: signing in and out. */
export function authRoutes(app: FastifyInstance, accounts: Accounts): void {
  const anyone = { permission: 'anyone', unaudited: 'who signs in is told by accounts/, once it is known' } as const
  const signedIn = { 200: json('Signed in.', SignedIn), ...problems }

  app.post<{ Body: Static<typeof Login> }>(
    '/auth/login',
    {
      config: anyone,
      schema: {
        operationId: 'login',
        summary: 'Sign in with a password, and a code where there is a second factor',
        tags: ['accounts'],
        security: [],
        body: named(Login),
        response: signedIn,
      },
    },
    async (request) => signedInView(await accounts.login(request.body, clientOf(request))),
  )

  app.post<{ Body: Static<typeof Join> }>(
    '/auth/join',
    {
      config: anyone,
      schema: {
        operationId: 'join',
        summary: 'Take up an invitation, or set a new password, by a link',
        tags: ['accounts'],
        security: [],
        body: named(Join),
        response: signedIn,
      },
    },
    async (request) => signedInView(await accounts.join(request.body, clientOf(request))),
  )

  app.post<{ Body: Static<typeof Refresh> }>(
    '/auth/refresh',
    {
      config: anyone,
      schema: {
        operationId: 'refreshSession',
        summary: 'New tokens for a refresh token, which is used up',
        tags: ['accounts'],
        security: [],
        body: named(Refresh),
        response: signedIn,
      },
    },
    async ({ body }) => signedInView(await accounts.sessions.refresh(body.refreshToken)),
  )

  app.post(
    '/auth/logout',
    {
      config: { permission: 'self', audit: 'user.logout' },
      schema: {
        operationId: 'logout',
        summary: 'End the session that asks',
        tags: ['accounts'],
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const { userId, sessionId } = personOf(request)
      await accounts.sessions.end(userId, sessionId, 'signed out')
      return reply.code(204).send()
    },
  )

  app.get(
    '/auth/sessions',
    {
      config: { permission: 'self' },
      schema: {
        operationId: 'listSessions',
        summary: 'Where you are signed in',
        tags: ['accounts'],
        response: { 200: json('The last used first.', SessionList), ...problems },
      },
    },
    async (request) => {
      const { userId, sessionId } = personOf(request)
      return { sessions: (await accounts.sessions.list(userId)).map((session) => sessionView(session, sessionId)) }
    },
  )

  app.delete<{ Params: Static<typeof BySession> }>(
    '/auth/sessions/:session',
    {
      config: { permission: 'self', audit: 'session.end' },
      schema: {
        operationId: 'endSession',
        summary: 'End a session of yours',
        tags: ['accounts'],
        params: BySession,
        response: { 204: Nothing, ...problems },
      },
    },
    async (request, reply) => {
      const { session } = request.params
      if (!(await accounts.sessions.end(personOf(request).userId, session, 'ended by its owner')))
        throw new WarrenError('not_found', `you have no session "${session}"`)
      return reply.code(204).send()
    },
  )
}

/** Throws `forbidden` for a caller that is no person. */
export function personOf({ principal }: FastifyRequest): { userId: string; sessionId: string } {
  if (principal.kind === 'user') return { userId: principal.id, sessionId: principal.sessionId! }
  throw new WarrenError('forbidden', 'only who is signed in can do that, not a key', { hint: 'warren login' })
}

export function signedInView({ expiresAt, ...tokens }: Tokens): Static<typeof SignedIn> {
  return { ...tokens, expiresAt: expiresAt.toISOString() }
}

function sessionView({ createdAt, lastUsedAt, expiresAt, ...session }: Session, current: string) {
  return {
    ...session,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    current: session.id === current,
  }
}
