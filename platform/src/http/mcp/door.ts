import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Config } from '../../config.ts'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { accessControl } from '../access.ts'
import { clientGone } from '../client-gone.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { type NodeRouter, servedBy, type Wish } from '../nodes/node-router.ts'
import { CallsUnderWay } from './calls-under-way.ts'
import { checkOrigin } from './check-origin.ts'
import type { ToolDeps } from './tool.ts'

interface McpDeps extends ToolDeps {
  audit: AuditLog
  gateway: Gateway
  /** Of a platform that may have workers. */
  router: Pick<NodeRouter, 'hasWorkers' | 'passOn' | 'place'> | undefined
  config: Pick<Config, 'corsOrigins' | 'domain'>
}

/**
 * /mcp: the platform as a server of the Model Context Protocol, over streamable HTTP. Each request stands for itself and is let
 * in as any other; the name of a session only tells apart the calls that clients give up. The protocol is loaded when it is
 * first spoken: many platforms never do.
 */
export function mcpDoor(app: FastifyInstance, { gateway, config, router, ...deps }: McpDeps): void {
  const { corsOrigins, domain } = config
  app.addHook('onRequest', async ({ headers }) => checkOrigin(headers.origin, { corsOrigins, domain: domain?.name }))
  accessControl(app, gateway)
  const calls = new CallsUnderWay()
  /** True when a worker has answered the call: it is for one of its sandboxes, or starts one there. */
  const passOn = async (request: FastifyRequest, reply: FastifyReply): Promise<boolean> => {
    const message = request.body as ToolMessage | undefined
    const { name, arguments: wish } = (message?.method === 'tools/call' && message.params) || {}
    const sandbox = wish?.sandbox
    const starts = name === 'sandbox_create'
    if (!router?.hasWorkers || !(starts || typeof sandbox === 'string')) return false
    const { signal, end } = calls.begin(sessionOf(request), message?.id)
    reply.raw.once('close', end)
    const body = Buffer.from(JSON.stringify(message))
    const exchange = { request: request.raw, response: reply.raw, body, signal, onAnswer: servedBy(request, reply) }
    const { account, principal } = request
    const passing = starts
      ? router.place({ account, principal, wish: wish ?? {} }, exchange)
      : router.passOn(sandbox as string, exchange)
    const isPassedOn = await passing.catch((error) => {
      end()
      throw error
    })
    if (!isPassedOn) end()
    else if (!reply.sent && signal.aborted) await reply.send(givenUp(message?.id))
    else if (!reply.sent) reply.hijack() // its client went away
    return isPassedOn
  }
  const load = async () => (await import('./serve.ts')).serveMcp({ ...deps, calls, log: app.log })
  let loading: ReturnType<typeof load> | undefined

  const route = { url: '/mcp', config: { permission: 'self' }, schema: { hide: true } } as const
  app.route({
    ...route,
    method: ['GET', 'POST'],
    handler: async (request, reply) => {
      const { account, principal, address, id: requestId, body } = request
      // Rates count requests: one that held many calls would go past them. The protocol has had no such thing since 2025-06-18.
      if (Array.isArray(body))
        throw new WarrenError('invalid_request', 'the body must be one message, not a list of them')
      const session = sessionOf(request)
      const message = body as { method?: unknown; params?: { requestId?: unknown } } | undefined
      if (message?.method === 'notifications/cancelled') calls.cancel(session, message.params?.requestId)
      if (message?.method === 'initialize') reply.header('mcp-session-id', newId('m'))
      if (await passOn(request, reply)) return reply
      const gone = clientGone(reply.raw)
      loading ??= load()
      const serve = await loading
      return reply.send(
        await serve(webRequest(request, gone), body, { account, principal, address, requestId, session, gone }),
      )
    },
  })
  app.route({
    ...route,
    method: 'DELETE',
    handler: async (request, reply) => {
      calls.cancelAll(sessionOf(request))
      return reply.code(204).send()
    },
  })
}

/** What is looked at of a message that calls a tool: those that work in a sandbox name it alike. */
interface ToolMessage {
  id?: unknown
  method?: unknown
  params?: { name?: unknown; arguments?: Wish & { sandbox?: unknown } }
}

/** Nobody waits for it, but the request has an answer. */
function givenUp(id: unknown): object {
  return { jsonrpc: '2.0', id, error: { code: -32_800, message: 'the client gave the call up' } }
}

/** Of one caller: another who knows the name of a session has nothing from that. */
function sessionOf({ principal, headers, id }: FastifyRequest): string {
  return `${principal.kind} ${principal.id} ${headers['mcp-session-id'] ?? id}`
}

/** Without its body, which is read already. */
function webRequest({ method, headers }: FastifyRequest, signal: AbortSignal): Request {
  const names = ['accept', 'content-type', 'mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name']
  const given = names.flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : []))
  return new Request('http://warren/mcp', { method, headers: given as [string, string][], signal })
}
