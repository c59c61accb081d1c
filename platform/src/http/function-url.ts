import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { authorize } from '../accounts/roles.ts'
import { WarrenError } from '../errors.ts'
import { possibleVersions } from '../functions/choose-version.ts'
import { most } from '../functions/function.ts'
import type { Functions } from '../functions/functions.ts'
import type { HttpInput } from '../functions/invocations/invocation.ts'
import { clientGone } from './client-gone.ts'
import { withoutCredentials } from './credentials.ts'
import { FunctionAnswer } from './function-answer.ts'
import { bytesOf, inputOf, takeBytes } from './function-request.ts'
import type { Gateway } from './gateway/gateway.ts'
import { idempotencyOf } from './idempotency.ts'
import { problemOf } from './problem.ts'

type ByUrl = { Params: { id: string; '*': string } }
type Known = Awaited<ReturnType<Functions['byId']>>

/** What a request is a call of. */
interface Called {
  known: Known
  /** Where there is no such function. */
  missing: string
  /** The request's, as the function sees it. */
  path: string
  version?: string | undefined
  route?: HttpInput['route']
}

interface Exchange {
  request: FastifyRequest
  reply: FastifyReply
}

/**
 * /f/ID/…: any request is a call of the function. /r/ORGANISATION/…: of that which the organisation's routes name. Without a
 * key where each version is public that it may go to.
 */
export function functionUrls(app: FastifyInstance, functions: Functions, gateway: Gateway): void {
  takeBytes(app, 4 * most.payloadBytes)

  for (const url of ['/f/:id', '/f/:id/*'])
    app.all<ByUrl>(url, { schema: { hide: true } }, async (request, reply) => {
      const { id } = request.params
      const missing = `there is no function "${id.slice(0, 64)}"`
      return call({ request, reply }, { known: await functions.byId(id), missing, path: below(request, `/f/${id}`) })
    })

  for (const url of ['/r/:id', '/r/:id/*'])
    app.all<ByUrl>(url, { schema: { hide: true } }, async (request, reply) => {
      const { id } = request.params
      const { method, raw } = request
      const path = below(request, `/r/${id}`)
      const found = await functions.routes.find(id, method, path)
      const known = found && 'route' in found ? await functions.byId(found.route.functionId) : undefined
      if (!found || 'allow' in found || !known) {
        // Who has no key is to learn as little as from any address that is not there, and not as often as they like.
        await gateway.admitAnyone({ request: raw, response: reply.raw })
        const missing = `no route of this organisation is for ${method} ${path.slice(0, 200)}`
        if (!found || !('allow' in found)) throw new WarrenError('not_found', missing)
        reply.code(405).header('allow', found.allow.join(', '))
        return problemOf(new WarrenError('invalid_request', missing), request.id).body
      }
      const { route, params } = found
      return call(
        { request, reply },
        {
          ...{ known, missing: 'there is no such function', path, version: route.version },
          route: { key: `${route.method === '*' ? 'ANY' : route.method} ${route.path}`, params },
        },
      )
    })

  async function call({ request, reply }: Exchange, { known, missing, path, version, route }: Called) {
    const { headers, raw } = request
    const exchange = { request: raw, response: reply.raw }
    const versions = known ? possibleVersions(known, version) : []
    const isPublic = known && versions.length > 0 && versions.every(({ settings }) => settings.public)
    const caller = isPublic ? await gateway.admitTo(known.record.id, exchange) : await gateway.admit(exchange)
    if (caller) authorize(caller.principal, 'functions:invoke')
    const account = caller?.account
    if (!known || (account && account.id !== known.record.accountId)) throw new WarrenError('not_found', missing)
    const answer = new FunctionAnswer(reply.raw, reply)
    // The key that was shown to us is not the function's.
    const input = inputOf(request, path, account ? withoutCredentials(headers, raw.rawHeaders) : raw.rawHeaders)
    const invoked = await functions
      .invoke(
        account ?? { id: known.record.accountId, name: '', maxSandboxes: 0 },
        known.record.name,
        {
          payload: bytesOf(request),
          http: { ...input, ...(route ? { route } : {}) },
          qualifier: version,
          // Of a stranger it is the function's own matter: he is not to learn what another one was answered.
          idempotency: account && idempotencyOf(request),
          onHead: (id, head) => answer.begin(id, head),
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
  }
}

/** What a request names below its root. */
function below({ url }: FastifyRequest, root: string): string {
  return url.slice(root.length).split('?')[0] || '/'
}
