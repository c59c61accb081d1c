import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import { WarrenError } from '../../errors.ts'
import { clientOf } from '../client-of.ts'
import { SignedIn, signedInView } from './auth.ts'
import { json, named, problems } from './schema.ts'

const Begin = Type.Object(
  {
    returnTo: Type.String({
      maxLength: 2048,
      description: 'Where the browser goes at the end, with `code` in its query.',
    }),
    challenge: Type.String({
      pattern: '^[A-Za-z0-9_-]{43}$',
      description: 'SHA-256 of a secret of the client, in base64url.',
    }),
  },
  { additionalProperties: false },
)
const Finish = Type.Object(
  { code: Type.String({ maxLength: 64 }), verifier: Type.String({ minLength: 43, maxLength: 128 }) },
  { additionalProperties: false, $id: 'FinishSingleSignOn' },
)
const SignOnState = Type.Object({ enabled: Type.Boolean() }, { $id: 'SingleSignOn' })

export const singleSignOnSchemas = [Finish, SignOnState]

/** /v1/auth/sso: signing in at a provider. */
export function singleSignOnRoutes(app: FastifyInstance, accounts: Accounts): void {
  const config = { permission: 'anyone', unaudited: 'who signs in is told by accounts/, once it is known' } as const
  const configured = () => {
    if (accounts.singleSignOn) return accounts.singleSignOn
    throw new WarrenError('not_found', 'there is no single sign-on here', {
      hint: 'The operator sets WARREN_OIDC_ISSUER.',
    })
  }

  app.get(
    '/auth/sso',
    {
      config,
      schema: {
        operationId: 'getSingleSignOn',
        summary: 'Whether there is single sign-on',
        tags: ['accounts'],
        security: [],
        response: { 200: json('Whether there is.', SignOnState), ...problems },
      },
    },
    async () => ({ enabled: accounts.singleSignOn !== undefined }),
  )

  app.get<{ Querystring: Static<typeof Begin> }>(
    '/auth/sso/begin',
    {
      config,
      schema: {
        operationId: 'beginSingleSignOn',
        summary: 'Send a browser to the provider',
        tags: ['accounts'],
        security: [],
        querystring: Begin,
        response: { 302: { description: 'To the provider.' }, ...problems },
      },
    },
    async ({ query }, reply) =>
      reply.header('cache-control', 'no-store').redirect(await configured().begin(query), 302),
  )

  app.get('/auth/sso/callback', { config, schema: { hide: true } }, async ({ url }, reply) => {
    const target = await configured().comeBack(url.split('?')[1] ?? '')
    return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(target, 302)
  })

  app.post<{ Body: Static<typeof Finish> }>(
    '/auth/sso/finish',
    {
      config,
      schema: {
        operationId: 'finishSingleSignOn',
        summary: 'The session, for the client that began',
        tags: ['accounts'],
        security: [],
        body: named(Finish),
        response: { 200: json('Signed in.', SignedIn), ...problems },
      },
    },
    async (request) => signedInView(await configured().finish(request.body, clientOf(request))),
  )
}
