import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import type { Drain } from '../gateway/drain.ts'
import { problems } from './schema.ts'

const Health = Type.Object({ status: Type.Enum(['ok']) })

/** What needs no key: whether the platform is up, and what it can do. */
export function healthRoutes(app: FastifyInstance, isDatabaseUp: () => Promise<boolean>, drain: Drain): void {
  app.get(
    '/health',
    {
      schema: {
        operationId: 'getHealth',
        summary: 'Whether the platform is up',
        tags: ['platform'],
        security: [],
        response: {
          200: { description: 'It is up.', content: { 'application/json': { schema: Health } } },
          503: problems['5xx'],
        },
      },
    },
    async () => {
      drain.check()
      if (await isDatabaseUp()) return { status: 'ok' as const }
      throw new WarrenError('unavailable', 'the database does not answer; running sandboxes go on')
    },
  )

  let document: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    document ??= JSON.stringify(app.swagger())
    reply.type('application/json; charset=utf-8')
    return document
  })
}
