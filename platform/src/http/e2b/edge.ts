import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AuditLog } from '../../audit/audit-log.ts'
import { newId } from '../../lib/id.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { goneStatus } from '../client-gone.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { isGrpc, refuseGrpc } from '../pass-grpc.ts'
import { proxyRequest, proxyUpgrade } from '../previews.ts'
import { sendProblem } from '../problem.ts'
import { hangUpAfter, refuseUpgrade } from '../refuse-upgrade.ts'
import { cutOffUpgraded, cutOffWith } from './cut-off.ts'
import { type EdgeTarget, edgeTarget } from './edge-target.ts'
import { targetOf } from './envd/call.ts'
import { Envd } from './envd/envd.ts'
import { Watchers } from './envd/watchers.ts'
import { Interpreter } from './interpreter/interpreter.ts'
import { Refusal, refusalText, sendRefusal } from './refusal.ts'
import type { SandboxTokens } from './tokens.ts'

interface EdgeDeps {
  audit: AuditLog
  sandboxes: Sandboxes
  gateway: Gateway
  tokens: SandboxTokens
  metrics: Pick<Metrics, 'answered'>
  /** Below which sandboxes have names, beside localhost. */
  domain?: string | undefined
}

/** Takes the requests that are for a sandbox: its ports are passed on, its inside is served here. */
export class Edge {
  readonly #deps: EdgeDeps
  readonly #envd: Envd
  readonly #interpreter: Interpreter

  constructor(deps: EdgeDeps) {
    this.#deps = deps
    this.#envd = new Envd({ ...deps, watchers: new Watchers() })
    this.#interpreter = new Interpreter(deps)
  }

  /** False for what is meant for the platform itself. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const found = edgeTarget(request, this.#deps.domain)
    if (!found) return false
    void this.#serve(found, { request, response, requestId: newId('r') })
    return true
  }

  /** As `serve`, for a client that wants another protocol. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const found = edgeTarget(request, this.#deps.domain)
    if (!found) return false
    socket.on('error', () => socket.destroy())
    void this.#upgrade(found, { request, socket, head, requestId: newId('r') })
    return true
  }

  async #serve(
    found: EdgeTarget,
    exchange: { request: IncomingMessage; response: ServerResponse; requestId: string },
  ): Promise<void> {
    const { request, response, requestId } = exchange
    response.setHeader('x-request-id', requestId)
    this.#time(found, exchange)
    if (found.kind === 'refused') return sendRefusal(response, found.refusal, requestId)
    try {
      await this.#admit(found, exchange)
    } catch (error) {
      request.resume()
      if (found.kind === 'port' && isGrpc(request)) return refuseGrpc(exchange, error, requestId)
      const tell = found.kind === 'port' && found.target.needsKey ? sendProblem : sendRefusal
      return tell(response, error, requestId)
    }
    if (response.destroyed) return
    if (found.kind === 'port') {
      cutOffWith(this.#deps.sandboxes, found.target.id, exchange)
      return proxyRequest(this.#deps, found.target, exchange)
    }
    const asked = { ...exchange, url: targetOf(request), address: this.#deps.gateway.addressOf(request) }
    return found.kind === 'envd' ? this.#envd.serve(found.id, asked) : this.#interpreter.serve(found.id, asked)
  }

  #time({ kind }: EdgeTarget, { request, response }: { request: IncomingMessage; response: ServerResponse }): void {
    const startedAt = performance.now()
    response.once('close', () => {
      const { statusCode, headersSent } = response
      // What a program makes of them must not become a label of its own for each.
      const status = kind === 'port' ? `${Math.floor(statusCode / 100)}xx` : statusCode
      const labels = {
        method: request.method ?? '',
        route: `sandbox:${kind}`,
        status: headersSent ? status : goneStatus,
      }
      this.#deps.metrics.answered(labels, (performance.now() - startedAt) / 1000)
    })
  }

  async #upgrade(
    found: EdgeTarget,
    exchange: { request: IncomingMessage; socket: Duplex; head: Buffer; requestId: string },
  ): Promise<void> {
    const { request, socket, requestId } = exchange
    if (found.kind !== 'port') {
      const refusal = found.kind === 'refused' ? found.refusal : new Refusal(400, 'no other protocol is spoken here')
      return hangUpAfter(socket, refusalText(refusal, requestId))
    }
    try {
      await this.#admit(found, { request })
    } catch (error) {
      return refuseUpgrade(socket, error, requestId)
    }
    if (socket.destroyed) return
    cutOffUpgraded(this.#deps.sandboxes, found.target.id, socket)
    await proxyUpgrade(this.#deps, found.target, exchange)
  }

  async #admit(
    found: Exclude<EdgeTarget, { kind: 'refused' }>,
    exchange: { request: IncomingMessage; response?: ServerResponse },
  ): Promise<void> {
    const id = found.kind === 'port' ? found.target.id : found.id
    return id === undefined ? this.#deps.gateway.admitAnyone(exchange) : this.#deps.gateway.admitTo(id, exchange)
  }
}
