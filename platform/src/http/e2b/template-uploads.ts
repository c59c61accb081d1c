import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Templates } from '../../templates/templates.ts'
import { rawBody } from '../raw-body.ts'
import { Refusal } from './refusal.ts'
import type { SandboxTokens } from './tokens.ts'

const SignedQuery = Type.Object(
  {
    account: Type.Optional(Type.String()),
    expires: Type.Optional(Type.String()),
    signature: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)

/** How long an address for an upload is good for, milliseconds. */
const uploadMs = 3_600_000

/** A file is put to an address that carries the right to do so: no key comes with it. */
export async function uploadRoutes(
  app: FastifyInstance,
  { templates, tokens }: { templates: Templates; tokens: SandboxTokens },
): Promise<void> {
  app.get<{ Params: { templateID: string; hash: string } }>(
    '/templates/:templateID/files/:hash',
    { config: { permission: 'templates:write' } },
    async (request, reply) => {
      const { account, params } = request
      if (!/^[0-9a-f]{64}$/.test(params.hash)) throw new Refusal(400, 'files are named by their SHA-256 checksum')
      await templates.get(account, params.templateID)
      const expires = Date.now() + uploadMs
      const signature = tokens.upload(signed({ account: account.id, hash: params.hash, expires }))
      const query = new URLSearchParams({ account: account.id, expires: String(expires), signature })
      reply.code(201)
      return {
        present: await templates.hasUpload(account, params.hash),
        url: `${request.protocol}://${request.host}/templates/uploads/${params.hash}?${query}`,
      }
    },
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.put<{ Params: { hash: string }; Querystring: Static<typeof SignedQuery> }>(
      '/templates/uploads/:hash',
      {
        config: { permission: 'anyone', audit: 'template.upload' },
        schema: { querystring: SignedQuery },
        bodyLimit: Number.MAX_SAFE_INTEGER,
      },
      async (request, reply) => {
        const { hash } = request.params
        const { account = '', expires = '', signature } = request.query
        if (!tokens.isUpload(signed({ account, hash, expires: Number(expires) }), signature))
          throw new Refusal(401, 'this address for an upload is not signed by this server')
        if (Number(expires) < Date.now()) throw new Refusal(401, 'this address for an upload is not good any more')
        request.auditedAs = { accountId: account, actorKind: 'signature', actor: hash }
        await templates.receiveUpload(account, hash, request.raw)
        return reply.code(200).send({})
      },
    )
    done()
  })
}

function signed({ account, hash, expires }: { account: string; hash: string; expires: number }): string {
  return JSON.stringify([account, hash, expires])
}
