import type { FastifyInstance } from 'fastify'

/** Hands the body of every route of `app` over as the stream it is: any type, any size. An empty one is undefined. */
export function rawBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
}
