import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { Refusal } from './refusal.ts'
import { type ById, visible } from './sandboxes.ts'

const templates = 'templates are built by POST /v3/templates, as clients of today do'

/** What the contract has and this server does not, each with the reason that the caller gets. */
export const absent: readonly (readonly [
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  missing: string,
])[] = [
  ['POST', '/templates', templates],
  ['POST', '/templates/:templateID', templates],
]

/** Answers 501 with the reason; 404 for a sandbox that is not there, as the contract has it. */
export function e2bAbsentRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  for (const [method, url, missing] of absent) {
    app.route({
      method,
      url,
      config: { permission: 'self', unaudited: 'it does nothing' },
      handler: async (request) => {
        if (url.includes(':sandboxID')) await visible(sandboxes, request as FastifyRequest<ById>)
        throw new Refusal(501, missing)
      },
    })
  }
}
