import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** What a web page may send and read. */
const methods = 'GET, POST, PUT, DELETE'
const sent =
  'authorization, x-api-key, content-type, range, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, last-event-id, connect-protocol-version, connect-timeout-ms'
const read =
  'x-request-id, x-file-mode, content-range, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, ratelimit-policy, mcp-session-id'

/** Lets web pages of these origins call the API; `*` is any. No cookies are involved: they need the key as everybody. */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  app.addHook('onRequest', async (request, reply) => {
    // On the raw answer, so that streams carry them too.
    if (tellOrigin(request.raw, reply.raw, origins)) return reply.code(204).send()
  })
}

/** Says on the answer what a page of the origin of `request` may do. True for a question that is answered with that. */
export function tellOrigin(request: IncomingMessage, response: ServerResponse, origins: readonly string[]): boolean {
  const { origin } = request.headers
  if (origin === undefined || !(origins.includes('*') || origins.includes(origin))) return false
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('vary', 'origin')
  response.setHeader('access-control-expose-headers', read)
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false
  response.setHeader('access-control-allow-methods', methods)
  response.setHeader('access-control-allow-headers', sent)
  response.setHeader('access-control-max-age', '600')
  return true
}
