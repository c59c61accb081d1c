import type { FastifyInstance } from 'fastify'
import { agentRoutes, agentSchemas } from './api/agents.ts'
import { auditRoutes, auditSchemas } from './api/audit.ts'
import { authRoutes, authSchemas } from './api/auth.ts'
import { bankRoutes, bankSchemas } from './api/bank.ts'
import { billingRoutes, billingSchemas } from './api/billing.ts'
import { billingOperatorRoutes, billingOperatorSchemas } from './api/billing-operator.ts'
import { billingViews } from './api/billing-views.ts'
import { browserRoutes, browserSchemas } from './api/browser.ts'
import { bucketRoutes, bucketSchemas } from './api/buckets.ts'
import { contextRoutes, contextSchemas } from './api/contexts.ts'
import { documentRoutes, documentSchemas } from './api/documents.ts'
import { eventTriggerRoutes, eventTriggerSchemas } from './api/event-triggers.ts'
import { eventRoutes, eventSchemas } from './api/events.ts'
import { executionRoutes, executionSchemas } from './api/executions.ts'
import { experienceRoutes, experienceSchemas } from './api/experiences.ts'
import { factRoutes, factSchemas } from './api/facts.ts'
import { fileRoutes, fileSchemas } from './api/files.ts'
import { functionLogRoutes, functionLogSchemas } from './api/function-logs.ts'
import { functionRoutes, functionSchemas } from './api/functions.ts'
import { hookRoutes, hookSchemas } from './api/hooks.ts'
import { identityRoutes, identitySchemas } from './api/identity.ts'
import { invocationRoutes, invocationSchemas } from './api/invocations.ts'
import { invoiceRoutes, invoiceSchemas } from './api/invoices.ts'
import { keyRoutes, keySchemas } from './api/keys.ts'
import { logRoutes, logSchemas } from './api/logs.ts'
import { memberRoutes, memberSchemas } from './api/members.ts'
import { nodeRoutes, nodeSchemas } from './api/nodes.ts'
import { objectRoutes, objectSchemas } from './api/objects.ts'
import { orgRoutes, orgSchemas } from './api/orgs.ts'
import { noticeRoutes, noticeSchemas, paymentRoutes, paymentSchemas } from './api/payments.ts'
import { platformRoutes, platformSchemas } from './api/platform.ts'
import { portRoutes, portSchemas } from './api/ports.ts'
import { processRoutes, processSchemas } from './api/processes.ts'
import { queueRoutes, queueSchemas } from './api/queues.ts'
import { quotaRoutes, quotaSchemas } from './api/quotas.ts'
import { routeRoutes, routeSchemas } from './api/routes.ts'
import { runRoutes, runSchemas } from './api/runs.ts'
import { sandboxRoutes, sandboxSchemas } from './api/sandboxes.ts'
import { scheduleRoutes, scheduleSchemas } from './api/schedules.ts'
import { secretRoutes, secretSchemas } from './api/secrets.ts'
import { signedRoutes } from './api/signed.ts'
import { singleSignOnRoutes, singleSignOnSchemas } from './api/single-sign-on.ts'
import { snapshotRoutes, snapshotSchemas } from './api/snapshots.ts'
import { storageTriggerRoutes, storageTriggerSchemas } from './api/storage-triggers.ts'
import { templateRoutes, templateSchemas } from './api/templates.ts'
import { usageRoutes, usageSchemas } from './api/usage.ts'
import { userRoutes, userSchemas } from './api/users.ts'
import { volumeRoutes, volumeSchemas } from './api/volumes.ts'
import { webhookRoutes, webhookSchemas } from './api/webhooks.ts'
import type { Places } from './places.ts'
import { Problem } from './problem.ts'
import type { ServerDeps } from './server.ts'

/** What the routes of a noun work with; `at` says where people reach the platform and its sandboxes. */
type ApiDeps = ServerDeps & { at: Places }

type Noun = readonly [schemas: readonly object[], add: (v1: FastifyInstance, deps: ApiDeps) => unknown]

/** REST below /v1: a row for each noun, with the schemas that routes refer to by name. */
const nouns: readonly Noun[] = [
  [sandboxSchemas, (v1, { sandboxes, at }) => sandboxRoutes(v1, sandboxes, at)],
  [executionSchemas, (v1, { sandboxes }) => executionRoutes(v1, sandboxes)],
  [contextSchemas, (v1, { sandboxes }) => contextRoutes(v1, sandboxes)],
  [browserSchemas, (v1, { sandboxes }) => browserRoutes(v1, sandboxes)],
  [snapshotSchemas, (v1, { sandboxes }) => snapshotRoutes(v1, sandboxes)],
  [processSchemas, (v1, { sandboxes }) => processRoutes(v1, sandboxes)],
  [fileSchemas, (v1, { sandboxes }) => fileRoutes(v1, sandboxes)],
  [logSchemas, (v1, { sandboxes }) => logRoutes(v1, sandboxes)],
  [portSchemas, (v1, { sandboxes, at }) => portRoutes(v1, sandboxes, at)],
  [volumeSchemas, (v1, { volumes }) => volumeRoutes(v1, volumes)],
  [bucketSchemas, (v1, { buckets }) => bucketRoutes(v1, buckets)],
  [objectSchemas, (v1, { buckets }) => objectRoutes(v1, buckets)],
  [[], (v1, { buckets }) => signedRoutes(v1, buckets)],
  [identitySchemas, (v1, { identities }) => identityRoutes(v1, identities)],
  [secretSchemas, (v1, { secrets }) => secretRoutes(v1, secrets)],
  [[...billingViews, ...billingSchemas], (v1, { billing }) => billingRoutes(v1, billing)],
  [billingOperatorSchemas, (v1, { billing, accounts }) => billingOperatorRoutes(v1, billing, accounts)],
  [invoiceSchemas, (v1, { billing }) => invoiceRoutes(v1, billing)],
  [paymentSchemas, (v1, { billing }) => paymentRoutes(v1, billing)],
  [bankSchemas, (v1, { billing }) => bankRoutes(v1, billing)],
  [noticeSchemas, (v1, { billing }) => v1.register(async (notices) => noticeRoutes(notices, billing))],
  [platformSchemas, (v1, { engine }) => platformRoutes(v1, engine)],
  [nodeSchemas, (v1, { nodes }) => nodeRoutes(v1, nodes)],
  [quotaSchemas, (v1, { quotas, accounts }) => quotaRoutes(v1, quotas, accounts)],
  [templateSchemas, (v1, { templates }) => templateRoutes(v1, templates)],
  [usageSchemas, (v1, { usage, sandboxes }) => usageRoutes(v1, usage, sandboxes)],
  [authSchemas, (v1, { accounts }) => authRoutes(v1, accounts)],
  [singleSignOnSchemas, (v1, { accounts }) => singleSignOnRoutes(v1, accounts)],
  [userSchemas, (v1, { accounts }) => userRoutes(v1, accounts)],
  [orgSchemas, (v1, { accounts }) => orgRoutes(v1, accounts)],
  [memberSchemas, (v1, { accounts }) => memberRoutes(v1, accounts)],
  [keySchemas, (v1, { accounts }) => keyRoutes(v1, accounts)],
  [auditSchemas, (v1, { db }) => auditRoutes(v1, db)],
  [eventSchemas, (v1, { events }) => eventRoutes(v1, events)],
  [webhookSchemas, (v1, { webhooks }) => webhookRoutes(v1, webhooks)],
  [functionSchemas, (v1, { functions, at }) => functionRoutes(v1, functions, at)],
  [invocationSchemas, (v1, { functions }) => invocationRoutes(v1, functions)],
  [functionLogSchemas, (v1, { functions }) => functionLogRoutes(v1, functions)],
  [scheduleSchemas, (v1, { functions }) => scheduleRoutes(v1, functions)],
  [storageTriggerSchemas, (v1, { functions }) => storageTriggerRoutes(v1, functions)],
  [eventTriggerSchemas, (v1, { functions }) => eventTriggerRoutes(v1, functions)],
  [hookSchemas, (v1, { functions, at }) => hookRoutes(v1, functions, at)],
  [routeSchemas, (v1, { functions, at }) => routeRoutes(v1, functions, at)],
  [queueSchemas, (v1, { functions }) => queueRoutes(v1, functions)],
  [agentSchemas, (v1, { agentRuns }) => agentRoutes(v1, agentRuns)],
  [factSchemas, (v1, { agentRuns }) => factRoutes(v1, agentRuns)],
  [documentSchemas, (v1, { agentRuns }) => documentRoutes(v1, agentRuns)],
  [experienceSchemas, (v1, { agentRuns }) => experienceRoutes(v1, agentRuns)],
  [runSchemas, (v1, { agentRuns }) => runRoutes(v1, agentRuns)],
]

export const apiSchemas: readonly object[] = [Problem, ...nouns.flatMap(([schemas]) => schemas)]

export async function apiRoutes(v1: FastifyInstance, deps: ApiDeps): Promise<void> {
  for (const [, add] of nouns) await add(v1, deps)
}
