import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'

/** Answers in JSON to GET carry a tag of what they say; who shows it again and would get the same gets a 304 and no body. */
export function tagEntities(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    if (request.method !== 'GET' || reply.statusCode !== 200 || typeof payload !== 'string') return payload
    const tag = tagOf(payload)
    reply.header('etag', tag)
    // It may be kept by whoever asked, for as long as it is asked whether it is still so.
    reply.header('cache-control', 'private, no-cache')
    if (!matches(request.headers['if-none-match'], tag)) return payload
    reply.code(304).removeHeader('content-type').removeHeader('content-length')
    return null
  })
}

function tagOf(payload: string): string {
  return `W/"${hash('sha1', payload, 'base64url')}"`
}

function matches(shown: string | undefined, tag: string): boolean {
  if (shown === undefined) return false
  return shown.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag.slice(2))
}
