import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Held } from '../../accounts/reauthorization.ts'
import type { Config } from '../../config.ts'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { sendAway } from '../client-gone.ts'
import { closeIfUnread } from '../close-if-unread.ts'
import { tellOrigin } from '../cors.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { refuseKeyInAddress } from '../keys-in-addresses.ts'
import type { NodeRouter, Wish } from '../nodes/node-router.ts'
import { retryHeadersOf, sendProblem } from '../problem.ts'
import { lookAhead } from '../rpc/look-ahead.ts'
import type { Procedure } from '../rpc/procedure.ts'
import { RpcError } from '../rpc/rpc-error.ts'
import { serveProcedure } from '../rpc/serve.ts'
import type { Asked } from '../rpc/wire.ts'
import type { RpcCall, ServiceDeps } from './call.ts'
import { SandboxService } from './messages.ts'
import { refusalOf } from './refusal.ts'
import { sandboxService } from './service.ts'

interface DoorDeps extends ServiceDeps {
  gateway: Gateway
  /** Of a platform that may have workers. */
  router: Pick<NodeRouter, 'hasWorkers' | 'passOn' | 'place'> | undefined
  config: Pick<Config, 'corsOrigins'>
  metrics: Pick<Metrics, 'answered'>
  stopping: AbortSignal
  logger: Logger
  patienceMs: number
}

/** As of a body of the REST API. */
const mostMessageBytes = 1024 * 1024
const prefix = `/${SandboxService.name}/`

/** `SandboxService` of spec/warren/v1, for clients of Connect and of gRPC: the same rights and limits as the REST API. */
export class GrpcDoor {
  readonly #deps: DoorDeps
  readonly #procedures: Record<string, Procedure<RpcCall>>

  constructor(deps: DoorDeps) {
    this.#deps = deps
    this.#procedures = sandboxService(deps)
  }

  /** False for what is meant for another door. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    if (!request.url?.startsWith(prefix)) return false
    void this.#serve(request, response)
    return true
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = newId('r')
    response.on('error', () => {}) // the client went away while it was written to: the signal of the call tells
    response.setHeader('x-request-id', requestId)
    if (tellOrigin(request, response, this.#deps.config.corsOrigins)) return void response.writeHead(204).end()
    const name = request.url!.slice(prefix.length).split('?')[0]!
    const known = Object.hasOwn(this.#procedures, name)
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST')
      const refused = new WarrenError('invalid_request', `${request.method} is not served here; POST is`)
      return sendProblem(response, refused, requestId, 405)
    }
    const started = performance.now()
    let status = 200
    let asked: Asked = request
    let unreached: unknown
    try {
      const here = known ? await this.#elsewhere(name, { request, response }) : request
      if (!here) return
      asked = here
    } catch (error) {
      unreached = error
    }
    let held: Held | undefined
    const taken = new AbortController()
    const stopping = AbortSignal.any([this.#deps.stopping, taken.signal])
    await serveProcedure(known ? this.#procedures[name]! : noProcedure(request), {
      request: asked,
      response,
      caller: async () => {
        if (unreached) throw unreached
        const caller = await this.#caller({ request, response, requestId })
        held = this.#deps.gateway.hold(caller.principal)
        held.signal.addEventListener('abort', () => {
          const { reason } = held!.signal
          taken.abort(reason)
          sendAway(response, reason)
        })
        if (known) return { ...caller, stopping }
        throw new RpcError('unimplemented', `${SandboxService.name} has no method "${name.slice(0, 100)}"`)
      },
      errorOf: (error) => {
        const found = refusalOf(error, requestId)
        status = found.status
        if (!response.headersSent) for (const [name, value] of retryHeadersOf(error)) response.setHeader(name, value)
        if (found.refusal.code === 'internal')
          this.#deps.logger.error({ err: error, requestId, method: name }, 'call failed')
        return found.refusal
      },
      grpc: true,
      mostBytes: mostMessageBytes,
      stopping,
      patienceMs: this.#deps.patienceMs,
    })
    held?.end()
    closeIfUnread({ raw: request }, response)
    const labels = {
      method: 'POST',
      route: known ? prefix + name : 'unknown',
      status: response.statusCode === 415 ? 415 : status,
    }
    this.#deps.metrics.answered(labels, (performance.now() - started) / 1000)
  }

  /**
   * Undefined when the call was passed on: to the worker that has the sandbox of its first message, or to one that starts a sandbox. Else the
   * request, to be served here. Throws where it cannot be passed on, and for who shows no good key: nothing is read for them.
   */
  async #elsewhere(
    name: string,
    exchange: { request: IncomingMessage; response: ServerResponse },
  ): Promise<Asked | undefined> {
    const { router, gateway, patienceMs } = this.#deps
    const procedure = this.#procedures[name]!
    const { id, target } = procedure.input.fields
    const starts = name === 'CreateSandbox'
    if (!router?.hasWorkers || !(id || target || starts)) return exchange.request
    const caller = await gateway.recognise(exchange, organisationOf(exchange.request))
    const { message, head, request } = await lookAhead(procedure, exchange, { patienceMs, whole: starts })
    if (!message) return request
    const named = idIn(message)
    const isPassedOn = starts
      ? await router.place({ ...caller, wish: message as Wish }, { ...exchange, body: head })
      : named !== undefined && (await router.passOn(named, { ...exchange, before: head }))
    return isPassedOn ? undefined : request
  }

  async #caller({
    request,
    response,
    requestId,
  }: {
    request: IncomingMessage
    response: ServerResponse
    requestId: string
  }): Promise<Omit<RpcCall, 'signal' | 'timeoutMs' | 'keepaliveMs' | 'stopping'>> {
    const { gateway } = this.#deps
    refuseKeyInAddress(request.url!)
    const { account, principal } = await gateway.admit({ request, response }, organisationOf(request))
    return { account, principal, address: gateway.addressOf(request), requestId }
  }
}

function organisationOf({ headers }: IncomingMessage): { organisation?: string } {
  const { 'warren-organisation': organisation } = headers
  return typeof organisation === 'string' && organisation !== '' ? { organisation } : {}
}

/** The sandbox that a message is about: all name it alike, and an upload in its target. */
function idIn(message: object): string | undefined {
  const { id, target } = message as { id?: string; target?: { id?: string } }
  return id ?? target?.id
}

/** Never run: who calls it is told before. Of the kind that the client takes it for, so that it is told in its own words. */
function noProcedure({ headers }: IncomingMessage): Procedure<RpcCall> {
  const { input, output } = SandboxService.methods.GetSandbox
  const run = () => Promise.reject(new Error('there is no such method'))
  const streams = headers['content-type']?.startsWith('application/connect+')
  return streams ? { kind: 'client-stream', input, output, run } : { kind: 'unary', input, output, run }
}
