import type { FastifyInstance } from 'fastify'
import type { WarrenError } from '../errors.ts'
import { most } from '../functions/function.ts'
import type { Functions } from '../functions/functions.ts'
import { bytesOf, inputOf, takeBytes } from './function-request.ts'
import type { Gateway } from './gateway/gateway.ts'

type ByHook = { Params: { id: string; token?: string } }

/** /h/ID and /h/ID/TOKEN: what others send. The answer comes once the call lasts, and before it is made. */
export function hookDoor(app: FastifyInstance, functions: Functions, gateway: Gateway): void {
  takeBytes(app, most.keptBytes)
  for (const url of ['/h/:id', '/h/:id/:token'])
    app.post<ByHook>(
      url,
      {
        schema: { hide: true },
        onRequest: async ({ raw }, reply) => gateway.admitAnyone({ request: raw, response: reply.raw }),
      },
      async (request, reply) => {
        const { headers, params, raw } = request
        const http = inputOf(request, '/', raw.rawHeaders)
        const received = { headers, body: bytesOf(request), http }
        const taken = functions.hooks.receive(params.id, params.token, received).catch(async (error) => {
          const isGuess = ['not_found', 'unauthenticated'].includes((error as WarrenError).code)
          throw isGuess ? await gateway.failed({ request: raw, response: reply.raw }, error) : error
        })
        return reply.code(202).send(await taken)
      },
    )
}
