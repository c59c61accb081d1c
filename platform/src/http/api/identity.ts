import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { IdentityTokens } from '../../identity/identity-tokens.ts'
import { json, problems } from './schema.ts'

const Configuration = Type.Object(
  {
    issuer: Type.String(),
    jwks_uri: Type.String(),
    response_types_supported: Type.Array(Type.String()),
    subject_types_supported: Type.Array(Type.String()),
    id_token_signing_alg_values_supported: Type.Array(Type.String()),
    claims_supported: Type.Array(Type.String()),
  },
  { $id: 'IdentityConfiguration' },
)
const Keys = Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.String())) }, { $id: 'IdentityKeys' })

export const identitySchemas = [Configuration, Keys]

/** How long others may keep what they were told, seconds. */
const keptSeconds = 300

/** /v1/identity: how the tokens that sandboxes show to others are checked, for anybody. */
export function identityRoutes(app: FastifyInstance, identities: IdentityTokens): void {
  const config = { permission: 'anyone' } as const
  app.get(
    '/identity/.well-known/openid-configuration',
    {
      config,
      schema: {
        operationId: 'getIdentityConfiguration',
        summary: 'How identity tokens of sandboxes are checked (OpenID Connect discovery)',
        tags: ['sandboxes'],
        security: [],
        response: { 200: json('What OpenID Connect has services look up.', Configuration), ...problems },
      },
    },
    async (_request, reply) =>
      reply.header('cache-control', `public, max-age=${keptSeconds}`).send(identities.configuration()),
  )
  app.get(
    '/identity/keys',
    {
      config,
      schema: {
        operationId: 'listIdentityKeys',
        summary: 'The public keys of identity tokens of sandboxes',
        tags: ['sandboxes'],
        security: [],
        response: { 200: json('A set of keys, as JSON Web Keys.', Keys), ...problems },
      },
    },
    async (_request, reply) => reply.header('cache-control', `public, max-age=${keptSeconds}`).send(identities.keys()),
  )
}
