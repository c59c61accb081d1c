import type { ServerResponse } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Keys } from '../../accounts/keys.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Config } from '../../config.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Secrets } from '../../secrets/secrets.ts'
import type { Templates } from '../../templates/templates.ts'
import type { Volumes } from '../../volumes/volumes.ts'
import { accessControl } from '../access.ts'
import { auditTrail } from '../audit-trail.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { withoutKeys } from '../keys-in-addresses.ts'
import { e2bAbsentRoutes } from './absent.ts'
import { e2bForkRoutes } from './fork.ts'
import { e2bKeyRoutes } from './keys.ts'
import { e2bListRoutes } from './list.ts'
import { e2bLogRoutes } from './logs.ts'
import { e2bMetricsRoutes } from './metrics.ts'
import { e2bPauseRoutes } from './pause.ts'
import { refusalOf, retryHeaders } from './refusal.ts'
import { e2bSandboxRoutes } from './sandboxes.ts'
import { e2bSecretRoutes } from './secrets.ts'
import { e2bSnapshotRoutes } from './snapshots.ts'
import { e2bTeamRoutes } from './teams.ts'
import { e2bTemplateRoutes } from './templates.ts'
import type { ViewDeps } from './view.ts'
import { e2bVolumeRoutes } from './volumes.ts'

interface DoorDeps {
  audit: AuditLog
  keys: Keys
  sandboxes: Sandboxes
  templates: Templates
  volumes: Volumes
  secrets: Secrets
  gateway: Gateway
  view: ViewDeps
  /** Of sandboxes whose template says nothing. */
  defaultLimits: Config['defaultLimits']
  /** Lets routes that start sandboxes start them on other nodes. */
  placeSandboxes: (app: FastifyInstance) => void
  /** What a sandbox whose request does not say may reach. */
  egress: Config['egress']['default']
  /** What is done with the rest of a body that nobody reads. */
  onRefused: (request: FastifyRequest, response: ServerResponse) => void
}

const NoQuery = Type.Object({}, { additionalProperties: false })

/** The control plane of E2B at the root of the server: shapes are translated, the work is that of the door at /v1. */
export async function e2bDoor(app: FastifyInstance, deps: DoorDeps): Promise<void> {
  const { sandboxes, templates, volumes, secrets, gateway, view, defaultLimits, onRefused } = deps
  app.addHook('onRoute', (route) => {
    // The OpenAPI document is that of /v1. What a route does not read is refused by its name.
    route.schema = { querystring: NoQuery, ...route.schema, hide: true }
  })
  accessControl(app, gateway)
  deps.placeSandboxes(app)
  auditTrail(app, deps.audit)
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const { status, body } = refusalOf(error, request.id)
    if (status === 500)
      request.log.error({ err: error, requestId: request.id, url: withoutKeys(request.url) }, 'request failed')
    onRefused(request, reply.raw)
    reply.headers(retryHeaders(error, status))
    return reply.code(status).send(body)
  })
  e2bSandboxRoutes(app, sandboxes, { view, usual: deps.egress })
  e2bListRoutes(app, { sandboxes, templates, view })
  e2bPauseRoutes(app, sandboxes, view)
  e2bForkRoutes(app, sandboxes, view)
  e2bSnapshotRoutes(app, sandboxes)
  e2bMetricsRoutes(app, sandboxes)
  e2bLogRoutes(app, sandboxes)
  e2bTeamRoutes(app, sandboxes)
  e2bKeyRoutes(app, deps.keys)
  await e2bTemplateRoutes(app, { templates, sandboxes, tokens: view.tokens, limits: defaultLimits })
  e2bVolumeRoutes(app, volumes, view.tokens)
  e2bSecretRoutes(app, secrets)
  e2bAbsentRoutes(app)
}
