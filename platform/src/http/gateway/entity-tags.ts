import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'

const mostRemembered = 500
const longestRemembered = 4096

/** Answers in JSON to GET carry a tag of what they say; who shows it again and would get the same gets a 304 and no body. */
export function tagEntities(app: FastifyInstance): void {
  const tagOf = rememberedTags()
  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.method !== 'GET' || reply.statusCode !== 200 || typeof payload !== 'string') return done(null, payload)
    const tag = tagOf(payload)
    reply.header('etag', tag)
    // It may be kept by whoever asked, for as long as it is asked whether it is still so.
    reply.header('cache-control', 'private, no-cache')
    if (!matches(request.headers['if-none-match'], tag)) return done(null, payload)
    reply.code(304).removeHeader('content-type').removeHeader('content-length')
    done(null, null)
  })
}

/** What is asked for again and again is one text (see serialization.ts), whose tag need not be computed each time. */
function rememberedTags(): (payload: string) => string {
  const remembered = new Map<string, string>()
  return (payload) => {
    const known = remembered.get(payload)
    if (known !== undefined) return known
    const tag = `W/"${hash('sha1', payload, 'base64url')}"`
    if (payload.length > longestRemembered) return tag
    if (remembered.size >= mostRemembered) remembered.delete(remembered.keys().next().value!)
    remembered.set(payload, tag)
    return tag
  }
}

function matches(shown: string | undefined, tag: string): boolean {
  if (shown === undefined) return false
  return shown.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag.slice(2))
}
