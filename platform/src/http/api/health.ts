import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

const Health = Type.Object({ status: Type.Enum(['ok']) })

/** What needs no key: whether the platform is up, and what it can do. */
export function healthRoutes(app: FastifyInstance): void {
  app.get(
    '/health',
    {
      schema: {
        operationId: 'getHealth',
        summary: 'Whether the platform is up',
        tags: ['platform'],
        security: [],
        response: { 200: Health },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
