import type { FastifyInstance } from 'fastify'

/** What a web page may send and read. */
const methods = 'GET, POST, PUT, DELETE'
const sent =
  'authorization, x-api-key, content-type, range, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, last-event-id'
const read =
  'x-request-id, x-file-mode, content-range, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, ratelimit-policy, mcp-session-id'

/** Lets web pages of these origins call the API; `*` is any. No cookies are involved: they need the key as everybody. */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (origin === undefined || !(origins.includes('*') || origins.includes(origin))) return
    // On the raw answer, so that streams carry them too.
    reply.raw.setHeader('access-control-allow-origin', origin)
    reply.raw.setHeader('vary', 'origin')
    reply.raw.setHeader('access-control-expose-headers', read)
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return
    reply.header('access-control-allow-methods', methods)
    reply.header('access-control-allow-headers', sent)
    reply.header('access-control-max-age', '600')
    return reply.code(204).send()
  })
}
