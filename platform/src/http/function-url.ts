import type { FastifyInstance } from 'fastify'
import { authorize } from '../accounts/roles.ts'
import { WarrenError } from '../errors.ts'
import { most } from '../functions/function.ts'
import type { Functions } from '../functions/functions.ts'
import { clientGone } from './client-gone.ts'
import { withoutCredentials } from './credentials.ts'
import { FunctionAnswer } from './function-answer.ts'
import { bytesOf, inputOf, takeBytes } from './function-request.ts'
import type { Gateway } from './gateway/gateway.ts'
import { idempotencyOf } from './idempotency.ts'

type ByUrl = { Params: { id: string; '*': string } }

/** /f/ID/…: any request is a call of the function, without a key where it is public. */
export function functionUrls(app: FastifyInstance, functions: Functions, gateway: Gateway): void {
  takeBytes(app, 4 * most.payloadBytes)
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
      // It sees what is below its own root, and not the key that was shown to us.
      const { headers, raw, url } = request
      const path = url.slice(`/f/${id}`.length).split('?')[0] || '/'
      const answer = new FunctionAnswer(reply.raw, reply)
      const invoked = await functions
        .invoke(
          account ?? { id: known.record.accountId, name: '', maxSandboxes: 0 },
          known.record.name,
          {
            payload: bytesOf(request),
            http: inputOf(request, path, account ? withoutCredentials(headers, raw.rawHeaders) : raw.rawHeaders),
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
