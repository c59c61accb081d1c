import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Permission } from '../accounts/roles.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { AuditEntry } from '../audit/entry.ts'
import type { Acting } from './access.ts'
import { addRouteHook } from './add-route-hook.ts'

/** A call that needs one of these is sure to be in the log before it has an effect, and one that only reads is in it too. */
export const toldFirst: readonly Permission[] = [
  'sandboxes:exec',
  'secrets:read',
  'secrets:manage',
  'keys:manage',
  'members:manage',
]

/** What is kept of a request beside its subject: names, never content. */
const kept = ['path', 'from', 'to', 'role', 'name', 'email', 'scopes', 'template', 'snapshot', 'timeout'] as const

const reads = ['GET', 'HEAD', 'OPTIONS']

/**
 * Records every call of a route of `app` that declares an `audit` verb: the one place where that is done. A route that changes
 * something, or that reads programs, files, secrets, keys or members, and declares neither a verb nor why it needs none is
 * refused when it is added, so that none can be forgotten.
 */
export function auditTrail(app: FastifyInstance, audit: AuditLog): void {
  const made = new WeakMap<FastifyRequest, string>()
  const addresses = new WeakMap<FastifyRequest, string>()

  // Others run none of it: what is asked for most is not told of.
  app.addHook('onRoute', (route) => {
    const { audit: action, unaudited, permission = [] } = route.config ?? {}
    const isToldFirst = [permission].flat().some((one) => toldFirst.includes(one as Permission))
    const onlyReads = [route.method].flat().every((one) => reads.includes(one))
    if (!action && !unaudited && (isToldFirst || !onlyReads))
      throw new Error(
        `${route.method} ${route.url} declares no verb for the audit log: config: { audit: … } or { unaudited: why }`,
      )
    if (!action) return
    const { before = isToldFirst } = route.config ?? {}
    addRouteHook(route, 'preHandler', async (request) => {
      // Of a client that went away over HTTP/2 it is not known any more at the end.
      addresses.set(request, request.address)
      const acting = actingOf(request)
      if (request.method === 'GET' || !acting || !before) return
      audit.begin(acting.accountId, { ...entryOf(request, action, subjectOf(request)), outcome: 'begun' })
    })
    // What a create made is only known from its answer.
    addRouteHook(route, 'preSerialization', async (request, _reply, payload) => {
      const id = idIn(payload)
      if (id) made.set(request, id)
      return payload
    })
    addRouteHook(route, 'onResponse', async (request, reply) => {
      const acting = actingOf(request)
      if (!acting || request.servedBy) return
      const subject = subjectOf(request) || made.get(request) || ''
      const entry = entryOf(request, action, subject)
      const address = addresses.get(request) ?? entry.address
      audit.tell(acting.accountId, { ...entry, address, outcome: outcomeOf(reply), status: reply.statusCode })
    })
  })
}

function entryOf(request: FastifyRequest, action: string, subject: string): Omit<AuditEntry, 'outcome'> {
  const { actorKind, actor } = actingOf(request)!
  const details = detailsOf(request)
  return {
    at: Date.now(),
    actorKind,
    actor,
    action,
    subject,
    address: request.address,
    requestId: request.id,
    ...(Object.keys(details).length > 0 ? { details } : {}),
  }
}

function actingOf({ account, principal, auditedAs }: FastifyRequest): Acting | undefined {
  return auditedAs ?? (account && { accountId: account.id, actorKind: principal.kind, actor: principal.id })
}

function outcomeOf({ statusCode }: FastifyReply): AuditEntry['outcome'] {
  return statusCode >= 500 ? 'failed' : statusCode >= 400 ? 'refused' : 'done'
}

/** The ids in the path, the outer ones first. */
function subjectOf({ params }: FastifyRequest): string {
  const { organisation: _, ...ids } = (params ?? {}) as Record<string, string>
  return Object.values(ids).join('/')
}

function idIn(payload: unknown): string | undefined {
  const { id, sandboxID, templateID, volumeID, snapshotID } = Object(payload) as Record<string, unknown>
  const found = id ?? sandboxID ?? templateID ?? volumeID ?? snapshotID
  return typeof found === 'string' ? found : undefined
}

/** What is kept of what was given. */
export function detailsOf({ query, body }: { query?: unknown; body?: unknown }): Record<string, unknown> {
  const given = { ...(isFields(query) ? query : {}), ...(isFields(body) ? body : {}) }
  const told = kept.filter((name) => Object.hasOwn(given, name)).map((name) => [name, plain(given[name])])
  return Object.fromEntries(told.filter(([, value]) => value !== undefined))
}

/** A body that is a stream or bytes is content. */
function isFields(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  return typeof (value as { pipe?: unknown }).pipe !== 'function'
}

function plain(value: unknown): unknown {
  if (['string', 'number', 'boolean'].includes(typeof value)) return value
  return Array.isArray(value) ? value.slice(0, 50).filter((one) => typeof one === 'string') : undefined
}
