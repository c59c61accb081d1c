import type { FastifyInstance } from 'fastify'
import { Refusal } from './refusal.ts'

const machines = "machines are the operator's here: warren node list"
const webhooks = "webhooks are Warren's own here: warren webhook, POST /v1/webhooks"
const events = "events are Warren's own here: GET /v1/events"

/** What the contract has and this server does not, each with the reason that the caller gets. */
export const absent: readonly (readonly [
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  missing: string,
])[] = [
  ['GET', '/nodes', machines],
  ['GET', '/nodes/:nodeID', machines],
  ['POST', '/nodes/:nodeID', machines],
  ['GET', '/events/webhooks', webhooks],
  ['POST', '/events/webhooks', webhooks],
  ['GET', '/events/webhooks/:webhookID', webhooks],
  ['PATCH', '/events/webhooks/:webhookID', webhooks],
  ['DELETE', '/events/webhooks/:webhookID', webhooks],
  ['GET', '/events/sandboxes', events],
  ['GET', '/events/sandboxes/:sandboxID', events],
]

/** Answers 501 with the reason. */
export function e2bAbsentRoutes(app: FastifyInstance): void {
  for (const [method, url, missing] of absent) {
    app.route({
      method,
      url,
      config: { permission: 'self', unaudited: 'it does nothing' },
      handler: async () => {
        throw new Refusal(501, missing)
      },
    })
  }
}
