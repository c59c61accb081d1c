import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Authenticate } from '../../accounts/authenticate.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import { newId } from '../../lib/id.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { proxyRequest, proxyUpgrade } from '../previews.ts'
import { hangUpAfter } from '../refuse-upgrade.ts'
import { cutOffUpgraded, cutOffWith } from './cut-off.ts'
import { edgeTarget } from './edge-target.ts'
import { addressOf } from './envd/call.ts'
import { Envd } from './envd/envd.ts'
import { Watchers } from './envd/watchers.ts'
import { Interpreter } from './interpreter/interpreter.ts'
import { Refusal, refusalText, sendRefusal } from './refusal.ts'
import type { SandboxTokens } from './tokens.ts'

interface EdgeDeps {
  audit: AuditLog
  sandboxes: Sandboxes
  authenticate: Authenticate
  tokens: SandboxTokens
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
    const exchange = { request, response, requestId: newId('r') }
    if (found.kind === 'refused') sendRefusal(response, found.refusal, exchange.requestId)
    else if (found.kind === 'port') {
      cutOffWith(this.#deps.sandboxes, found.target.id, exchange)
      void proxyRequest(this.#deps, found.target, exchange)
    } else if (found.kind === 'envd') void this.#envd.serve(found.id, { ...exchange, url: addressOf(request) })
    else void this.#interpreter.serve(found.id, { ...exchange, url: addressOf(request) })
    return true
  }

  /** As `serve`, for a client that wants another protocol. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const found = edgeTarget(request, this.#deps.domain)
    if (!found) return false
    if (found.kind === 'port') {
      cutOffUpgraded(this.#deps.sandboxes, found.target.id, socket)
      void proxyUpgrade(this.#deps, found.target, { request, socket, head, requestId: newId('r') })
      return true
    }
    const refusal = found.kind === 'refused' ? found.refusal : new Refusal(400, 'no other protocol is spoken here')
    socket.on('error', () => socket.destroy())
    hangUpAfter(socket, refusalText(refusal))
    return true
  }
}
