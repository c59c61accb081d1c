import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { Refusal } from './refusal.ts'
import { type ById, visible } from './sandboxes.ts'

const templates = 'this server builds no templates yet: "base" is the one there is'
const volumes = 'this server has no volumes yet'
const secrets = 'this server keeps no secrets yet'

/** What the contract has and this server does not, each with the reason that the caller gets. */
export const absent: readonly (readonly [
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  missing: string,
])[] = [
  ['POST', '/v3/templates', templates],
  ['GET', '/templates', templates],
  ['GET', '/v2/templates', templates],
  ['POST', '/templates', templates],
  ['GET', '/templates/:templateID', templates],
  ['POST', '/templates/:templateID', templates],
  ['PATCH', '/templates/:templateID', templates],
  ['PATCH', '/v2/templates/:templateID', templates],
  ['GET', '/templates/:templateID/files/:hash', templates],
  ['POST', '/v2/templates/:templateID/builds/:buildID', templates],
  ['GET', '/templates/:templateID/builds/:buildID/status', templates],
  ['GET', '/templates/:templateID/builds/:buildID/logs', templates],
  ['POST', '/templates/tags', templates],
  ['DELETE', '/templates/tags', templates],
  ['GET', '/templates/:templateID/tags', templates],
  ['GET', '/volumes', volumes],
  ['POST', '/volumes', volumes],
  ['GET', '/volumes/:volumeID', volumes],
  ['DELETE', '/volumes/:volumeID', volumes],
  ['GET', '/secrets', secrets],
  ['POST', '/secrets', secrets],
  ['GET', '/secrets/:secretID', secrets],
  ['POST', '/secrets/:secretID', secrets],
  ['DELETE', '/secrets/:secretID', secrets],
]

/** Answers 501 with the reason; 404 for a sandbox that is not there, as the contract has it. */
export function e2bAbsentRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  for (const [method, url, missing] of absent) {
    app.route({
      method,
      url,
      handler: async (request) => {
        if (url.includes(':sandboxID')) await visible(sandboxes, request as FastifyRequest<ById>)
        throw new Refusal(501, missing)
      },
    })
  }
}
