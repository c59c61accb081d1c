import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Metrics } from '../telemetry/metrics.ts'
import { goneStatus } from './client-gone.ts'
import { edgeTarget } from './e2b/edge-target.ts'
import { isOfFunctions } from './function-request.ts'
import { onUpgradeAnswer, switchedStatus, upgradeAnswered } from './upgrade-answer.ts'

/** Requests for another protocol (WebSocket), and the connections that come of them: counted by their route, with their answer and their life. */
export class Upgrades {
  readonly #metrics: Pick<Metrics, 'answered' | 'upgraded'>
  readonly #domain: string | undefined
  readonly #sockets = new Set<Duplex>()

  constructor(metrics: Pick<Metrics, 'answered' | 'upgraded'>, domain: string | undefined) {
    this.#metrics = metrics
    this.#domain = domain
  }

  add(request: IncomingMessage, socket: Duplex): void {
    const startedAt = performance.now()
    const route = routeOf(request, this.#domain)
    let ended: (() => void) | undefined
    onUpgradeAnswer(socket, (answer) => {
      if (answer === 'elsewhere') return
      // What a program makes of them must not become a label of its own for each.
      const status = route === 'sandbox:port' && answer !== switchedStatus ? `${Math.floor(answer / 100)}xx` : answer
      this.#metrics.answered({ method: request.method ?? '', route, status }, (performance.now() - startedAt) / 1000)
      if (answer === switchedStatus && !socket.destroyed) ended = this.#metrics.upgraded(route)
    })
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      ended?.()
      // Whoever takes the connection over refuses by himself what is no WebSocket.
      upgradeAnswered(socket, (socket as Socket).bytesWritten > 0 ? 400 : goneStatus)
    })
  }

  /** They are not the server's any more, which would wait for them. */
  end(): void {
    for (const socket of this.#sockets) (socket as Socket).destroySoon()
  }
}

const ofSandbox = /^\/v1\/sandboxes\/[^/?]+\/(?:(terminal|console)|processes\/[^/?]+\/attach)(?:\?|$)/

function routeOf(request: IncomingMessage, domain: string | undefined): string {
  const found = edgeTarget(request, domain)
  if (found) return `sandbox:${found.kind}`
  if (isOfFunctions(request)) return 'function'
  const [isOne, named] = ofSandbox.exec(request.url ?? '') ?? []
  if (!isOne) return 'unknown'
  return named ? `/v1/sandboxes/:id/${named}` : '/v1/sandboxes/:id/processes/:processId/attach'
}
