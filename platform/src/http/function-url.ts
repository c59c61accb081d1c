import type { FastifyInstance, FastifyRequest } from 'fastify'
import { authorize } from '../accounts/roles.ts'
import { WarrenError } from '../errors.ts'
import { most } from '../functions/function.ts'
import type { Functions } from '../functions/functions.ts'
import { clientGone } from './client-gone.ts'
import { withoutCredentials } from './credentials.ts'
import { FunctionAnswer } from './function-answer.ts'
import type { Gateway } from './gateway/gateway.ts'
import { idempotencyOf } from './idempotency.ts'

type ByUrl = { Params: { id: string; '*': string } }

/** /f/ID/…: any request is a call of the function, without a key where it is public. */
export function functionUrls(app: FastifyInstance, functions: Functions, gateway: Gateway): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: 4 * most.payloadBytes }, (_request, body, done) =>
    done(null, body),
  )
  for (const url of ['/f/:id', '/f/:id/*'])
    app.all<ByUrl>(url, { schema: { hide: true } }, async (request, reply) => {
      const { id } = request.params
      const known = await functions.byId(id)
      const isPublic = known && [...known.versions.values()].some(({ settings }) => settings.public)
      const exchange = { request: request.raw, response: reply.raw }
      const caller = isPublic ? await gateway.admitTo(id, exchange) : await gateway.admit(exchange)
      if (caller) authorize(caller.principal, 'functions:invoke')
      const account = caller?.account
      if (!known || (account && account.id !== known.record.accountId))
        throw new WarrenError('not_found', `there is no function "${id.slice(0, 64)}"`)
      const answer = new FunctionAnswer(reply.raw, reply)
      const invoked = await functions
        .invoke(
          account ?? { id: known.record.accountId, name: '', maxSandboxes: 0 },
          known.record.name,
          {
            payload: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
            http: inputOf(request, account !== undefined),
            // Of a stranger it is the function's own matter: he is not to learn what another one was answered.
            idempotency: account && idempotencyOf(request),
            onHead: (call, head) => answer.begin(call, head),
            onChunk: (piece) => answer.write(piece),
          },
          clientGone(reply.raw),
        )
        .catch((error) => answer.fail(error))
      if (!invoked || answer.begun) {
        answer.end()
        return reply
      }
      reply.header('x-warren-invocation', invoked.id).serializer((body) => body as string)
      return reply.type('application/json').send(invoked.result)
    })
}

/** The request as the function sees it: below its own root, and without the key that was shown to us. */
function inputOf(request: FastifyRequest<ByUrl>, withKey: boolean) {
  const { raw, params, headers, method, url, ip } = request
  const given = withKey ? withoutCredentials(headers, raw.rawHeaders) : raw.rawHeaders
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < given.length; at += 2) pairs.push([given[at]!.toLowerCase(), given[at + 1]!])
  const query = url.includes('?') ? url.slice(url.indexOf('?')) : ''
  const path = url.slice(`/f/${params.id}`.length).split('?')[0] || '/'
  return { method, url: `http://${headers.host ?? 'localhost'}${path}${query}`, headers: pairs, address: ip }
}
