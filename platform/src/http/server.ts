import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import swagger from '@fastify/swagger'
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import type { Accounts } from '../accounts/accounts.ts'
import type { AgentRuns } from '../agents/runs.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Billing } from '../billing/billing.ts'
import type { Buckets } from '../buckets/buckets.ts'
import type { Config } from '../config.ts'
import type { Engine } from '../engine/engine.ts'
import { WarrenError } from '../errors.ts'
import type { EventFeed } from '../events/feed.ts'
import type { Functions } from '../functions/functions.ts'
import type { IdentityTokens } from '../identity/identity-tokens.ts'
import { newId } from '../lib/id.ts'
import type { UsageReader } from '../metering/usage.ts'
import type { Nodes } from '../nodes/nodes.ts'
import type { Quotas } from '../quotas/quotas.ts'
import type { Sandboxes } from '../sandboxes/sandboxes.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Templates } from '../templates/templates.ts'
import type { Volumes } from '../volumes/volumes.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import { accessControl } from './access.ts'
import { healthRoutes } from './api/health.ts'
import { apiRoutes, apiSchemas } from './api.ts'
import { auditTrail } from './audit-trail.ts'
import { closeIfUnread } from './close-if-unread.ts'
import { allowOrigins } from './cors.ts'
import { e2bDoor } from './e2b/door.ts'
import { Edge } from './e2b/edge.ts'
import { SandboxTokens } from './e2b/tokens.ts'
import { e2bVolumeContentRoutes } from './e2b/volume-content.ts'
import { Entrance } from './entrance.ts'
import { FunctionDoor } from './function-door.ts'
import { isOfFunctions, noWebSockets } from './function-request.ts'
import { functionUrls } from './function-url.ts'
import { Drain } from './gateway/drain.ts'
import { tagEntities } from './gateway/entity-tags.ts'
import { Gateway } from './gateway/gateway.ts'
import type { Limiter } from './gateway/limiter.ts'
import { PlainHttp } from './gateway/plain-http.ts'
import { GrpcDoor } from './grpc/door.ts'
import { hookDoor } from './hook-door.ts'
import { withoutKeys } from './keys-in-addresses.ts'
import { knownMethods } from './known-methods.ts'
import { mcpDoor } from './mcp/door.ts'
import { metricsRoutes } from './metrics.ts'
import { NodePass } from './nodes/node-pass.ts'
import { NodeRouter } from './nodes/node-router.ts'
import { WorkerGate } from './nodes/worker-gate.ts'
import { openApi } from './openapi.ts'
import { places } from './places.ts'
import { PlainConnections } from './plain/connections.ts'
import { problemOf, retryHeadersOf } from './problem.ts'
import { hangUpAfter, refuseUpgrade } from './refuse-upgrade.ts'
import { buildSerializer } from './serialization.ts'
import { limitSlowBody, patienceMs } from './slow-body.ts'
import { Terminals } from './terminals.ts'
import type { TlsCredentials } from './tls/credentials.ts'
import { traced } from './traced.ts'
import { Upgrades } from './upgrades.ts'
import { buildValidator, describeViolation } from './validation.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborts when the platform begins to stop. */
    stopping: AbortSignal
    gateway: Pick<Gateway, 'hold' | 'failed'>
    /** Sends away what comes in and resolves when what runs is done, or after so long. `close` comes after it. */
    drain: (mostMs: number) => Promise<void>
  }
}

export interface ServerDeps {
  config: Pick<
    Config,
    | 'host'
    | 'port'
    | 'node'
    | 'corsOrigins'
    | 'defaultLimits'
    | 'egress'
    | 'domain'
    | 'rates'
    | 'trustedProxies'
    | 'plainHttp'
    | 'metrics'
  >
  engine: Pick<Engine, 'drivers'>
  sandboxes: Sandboxes
  templates: Templates
  volumes: Volumes
  buckets: Buckets
  secrets: Secrets
  identities: IdentityTokens
  usage: UsageReader
  accounts: Accounts
  db: Database
  audit: AuditLog
  events: EventFeed
  webhooks: Webhooks
  functions: Functions
  quotas: Quotas
  limiter: Limiter
  metrics: Metrics
  billing: Billing
  agentRuns: AgentRuns
  nodes: Nodes
  /** What the tokens of sandboxes are made from. */
  tokenSeed: string
  isDatabaseUp: () => Promise<boolean>
  /** With it TLS is spoken too. */
  tls?: TlsCredentials | undefined
  logger: Logger
}

const jsonLimitBytes = 1024 * 1024
/** A connection without a request is kept for so long; clients are told a little less. */
const idleMs = 73_000

/**
 * The one door: REST below /v1, that of E2B's clients at the root, the inside of sandboxes and their ports by host name,
 * header and path, terminals by WebSocket.
 */
export async function buildServer(deps: ServerDeps): Promise<FastifyInstance> {
  const { accounts, sandboxes, volumes, config } = deps
  const { authenticate, reauthorization } = accounts
  const drain = new Drain()
  const { requestsPerMinute } = deps.quotas
  const gateway = new Gateway({ ...deps, ...config, authenticate, reauthorization, drain, requestsPerMinute })
  const terminals = new Terminals({ ...deps, gateway })
  const tokens = new SandboxTokens(deps.tokenSeed)
  const edge = new Edge({ ...deps, gateway, tokens, domain: config.domain?.name })
  const calls = new FunctionDoor({ ...deps, gateway, drain, domain: config.domain?.name })
  const at = places(() => portOf(app, config), config.domain)
  const pass = new NodePass(deps.tokenSeed)
  const isWorker = config.node.role === 'worker'
  // A worker answers its platform alone.
  const plainHttp = isWorker ? undefined : new PlainHttp(config.plainHttp, gateway.trusted)
  const gate = isWorker ? new WorkerGate(pass) : undefined
  const router = isWorker ? undefined : nodeRouter({ ...deps, gateway, pass })
  const named = { ...deps, config, gateway, router, places: at }
  const procedures = new GrpcDoor({ ...named, stopping: drain.stopping, patienceMs })
  const upgrades = new Upgrades(deps.metrics, config.domain?.name)
  const certified = await deps.tls?.current()
  let entrance: Entrance | undefined
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    // One of its own for each request would cost each; what is logged names its request itself.
    childLoggerFactory: (logger) => logger,
    genReqId: () => newId('r'),
    bodyLimit: jsonLimitBytes,
    forceCloseConnections: true,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    serverFactory: (handle) => {
      const server = createServer(
        { gate, plainHttp, router, edge, calls, procedures, terminals, upgrades, drain },
        handle,
      )
      const { tls: credentials, logger } = deps
      const secured = credentials && certified && { credentials, first: certified, logger }
      const isStopping = () => drain.stopping.aborted
      // What comes to a worker shows first that it comes from its platform.
      const plain = gate ? undefined : new PlainConnections({ door: calls, isStopping, patienceMs, idleMs })
      entrance = new Entrance(server, { patienceMs, plain, plainInTlsOnly: config.plainHttp !== 'allow' }, secured)
      return server
    },
    clientErrorHandler,
    frameworkErrors: (error, request, reply) => {
      const problem = problemOf(error, request.id)
      return void reply
        .code(problem.status as never)
        .header('x-request-id', request.id)
        .send(problem.body as never)
    },
    schemaController: {
      compilersFactory: { buildValidator: buildValidator as never, buildSerializer: buildSerializer as never },
    },
    schemaErrorFormatter: (errors, part) => describeViolation(errors as never, part),
  })
  const allowed = knownMethods(app)

  app.decorate('stopping', drain.stopping)
  app.decorate('gateway', gateway)
  app.decorate('drain', async (mostMs: number) => {
    terminals.close()
    await drain.begin(mostMs)
  })
  app.decorateRequest('account', null as never)
  app.decorateRequest('principal', null as never)
  app.decorateRequest('servedBy', undefined)
  app.decorateRequest('auditedAs', undefined)
  app.decorateRequest('address', {
    getter() {
      return gateway.addressOf((this as FastifyRequest).raw)
    },
  })
  for (const schema of apiSchemas) app.addSchema(schema)
  await app.register(swagger, openApi)

  // Hooks that wait for nothing call back: each promise costs, for each request.
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  allowOrigins(app, config.corsOrigins)
  tagEntities(app)
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    refuseCompressed(request)
    limitSlowJson(request)
    done()
  })
  app.addHook('preClose', async () => {
    terminals.close()
    entrance?.close()
    upgrades.end()
  })
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const problem = problemOf(error, request.id)
    const details = { requestId: request.id, method: request.method, url: withoutKeys(request.url) }
    if (problem.body.code === 'internal') request.log.error({ err: error, ...details }, 'request failed')
    else if (problem.status >= 500) request.log.info({ reason: error.message, ...details }, 'request refused')
    closeIfUnread(request, reply.raw)
    for (const [name, value] of retryHeadersOf(error)) reply.header(name, value)
    return reply.code(problem.status).send(problem.body)
  })
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?')[0]!.slice(0, 200)
    const methods = allowed(path)
    const error = methods.length
      ? new WarrenError('invalid_request', `${request.method} is not served at ${path}; ${methods.join(', ')} is`)
      : new WarrenError('not_found', `nothing is served at ${path}`, { hint: 'GET /openapi.json lists what there is.' })
    if (methods.length) reply.header('allow', methods.join(', '))
    closeIfUnread(request, reply.raw)
    return reply.code(methods.length ? 405 : 404).send(problemOf(error, request.id).body)
  })

  healthRoutes(app, deps.isDatabaseUp, drain)
  metricsRoutes(app, deps.metrics, { access: config.metrics, gateway })
  await app.register(
    async (v1) => {
      accessControl(v1, gateway)
      router?.placeSandboxes(v1)
      auditTrail(v1, deps.audit)
      await apiRoutes(v1, { ...deps, at })
    },
    { prefix: '/v1' },
  )
  await app.register(async (e2b) =>
    e2bDoor(e2b, {
      ...deps,
      gateway,
      keys: accounts.keys,
      view: {
        ...{ tokens, domain: at.domain, outgoing: sandboxes.outgoing },
        ...{ live: sandboxes.live, templateIds: deps.templates.ids },
      },
      defaultLimits: config.defaultLimits,
      egress: config.egress.default,
      onRefused: closeIfUnread,
      placeSandboxes: (app) => router?.placeSandboxes(app),
    }),
  )
  await app.register(async (mcp) => mcpDoor(mcp, named))
  await app.register(async (urls) => functionUrls(urls, deps.functions, gateway))
  await app.register(async (urls) => hookDoor(urls, deps.functions, gateway))
  await app.register(async (content) =>
    e2bVolumeContentRoutes(content, { volumes, gateway, tokens, audit: deps.audit }),
  )
  return app
}

function nodeRouter({
  config,
  templates,
  ...deps
}: Pick<ServerDeps, 'config' | 'templates' | 'nodes' | 'sandboxes' | 'metrics'> & {
  gateway: Gateway
  pass: NodePass
}): NodeRouter {
  const { domain, defaultLimits } = config
  return new NodeRouter({
    ...deps,
    isBase: (account, template) => templates.isBase(account, template),
    defaultMemoryMb: defaultLimits.memoryMb,
    domain: domain?.name,
  })
}

/** Requests for a sandbox never reach the router: they are passed on as they are. */
function createServer(
  doors: {
    gate: WorkerGate | undefined
    plainHttp: PlainHttp | undefined
    router: NodeRouter | undefined
    edge: Edge
    calls: FunctionDoor
    procedures: GrpcDoor
    terminals: Terminals
    upgrades: Upgrades
    drain: Drain
  },
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): http.Server {
  const { gate, plainHttp, router, edge, calls, procedures, terminals, upgrades, drain } = doors
  // Uploads may take as long as they need, so there is no limit on a whole request.
  const server = http.createServer(
    {
      requestTimeout: 0,
      headersTimeout: patienceMs,
      keepAliveTimeout: 72_000,
      // A client that offers HTTP/2 in passing is served in HTTP/1.1, as the standard has it.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    },
    (request, response) => {
      drain.track(request, response)
      if (gate?.lets(request, response) === false || plainHttp?.lets(request, response) === false) return
      const local = () => {
        const served =
          edge.serve(request, response) || calls.offer(request, response) || procedures.serve(request, response)
        if (!served) handle(request, response)
      }
      traced(request, response, () => (router ? router.serve(request, response, local) : local()))
    },
  )
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgrades.add(request, socket)
    if (gate?.letsUpgrade(request, socket) === false || plainHttp?.letsUpgrade(request, socket) === false) return
    const local = () => {
      if (edge.upgrade(request, socket, head)) return
      if (isOfFunctions(request)) refuseUpgrade(socket, noWebSockets(), newId('r'))
      else void terminals.upgrade({ request, socket, head, requestId: newId('r') })
    }
    if (router) router.upgrade({ request, socket, head }, local)
    else local()
  })
  return server
}

/** What is not even HTTP. */
function clientErrorHandler(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const message = tooLarge
    ? 'the headers are larger than 16 KiB'
    : slow
      ? 'the request did not arrive in time'
      : 'this is not HTTP/1.1'
  const requestId = newId('r')
  const { body } = problemOf(new WarrenError('invalid_request', message), requestId)
  const text = JSON.stringify(body)
  hangUpAfter(
    socket,
    `HTTP/1.1 ${tooLarge ? '431 Request Header Fields Too Large' : slow ? '408 Request Timeout' : '400 Bad Request'}\r\n` +
      `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\nx-request-id: ${requestId}\r\n\r\n${text}`,
  )
}

/** Nothing is unpacked at these doors: what a few bytes would unpack to is never seen. */
function refuseCompressed({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase()
  if (encoding === undefined || encoding === '' || encoding === 'identity') return
  throw new WarrenError(
    'invalid_request',
    `the body must not be compressed, and is said to be "${encoding.slice(0, 32)}"`,
  )
}

/** A JSON body that trickles in is given up. Streams may stall as long as they like. */
function limitSlowJson({ headers, routeOptions, raw }: FastifyRequest): void {
  if (headers['content-type'] === undefined || !/json/.test(headers['content-type'])) return
  // What is taken as a stream may take its time, whatever it is.
  if (!routeOptions.schema?.consumes?.includes('application/octet-stream')) limitSlowBody(raw)
}

/** Before the server listens, as configured. */
function portOf(app: FastifyInstance, config: Pick<Config, 'port'>): number {
  return (app.server.address() as AddressInfo | null)?.port ?? config.port
}
