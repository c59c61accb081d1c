import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Check } from 'typebox/value'
import type { Account } from '../../accounts/account.ts'
import type { Principal } from '../../accounts/principal.ts'
import { allows } from '../../accounts/roles.ts'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { Node } from '../../nodes/node.ts'
import type { Nodes } from '../../nodes/nodes.ts'
import { LimitsView } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { addRouteHook } from '../add-route-hook.ts'
import { forwardedFor, pairsOf, withoutHopByHop } from '../forwarded-headers.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { isGrpc, refuseGrpc } from '../pass-grpc.ts'
import { sendProblem } from '../problem.ts'
import { refuseUpgrade } from '../refuse-upgrade.ts'
import { withinTrace } from '../traced.ts'
import { upgradeAnswered } from '../upgrade-answer.ts'
import { type Exchange, forward, forwardUpgrade, type Outcome } from './forward.ts'
import type { NodePass } from './node-pass.ts'
import { isSandboxId, sandboxNamed } from './sandbox-named.ts'

interface RouterDeps {
  nodes: Nodes
  pass: NodePass
  sandboxes: Pick<Sandboxes, 'live'>
  gateway: Pick<Gateway, 'addressOf'>
  metrics: Pick<Metrics, 'answered'>
  /** Whether a sandbox of this template starts from what every machine has. */
  isBase: (account: Account, template: string) => Promise<boolean>
  defaultMemoryMb: number
  domain: string | undefined
}

/** Passes on what is for sandboxes of workers, and starts new ones where there is most room. */
export class NodeRouter {
  readonly #deps: RouterDeps

  constructor(deps: RouterDeps) {
    this.#deps = deps
  }

  /** Calls `local` for what this node answers itself. */
  serve(request: IncomingMessage, response: ServerResponse, local: () => void): void {
    const id = this.#elsewhere(request)
    if (id === undefined) return void local()
    void this.#nodeOf(id).then((node) => {
      if (!node) local()
      else void this.#forward(node, request, response)
    })
  }

  /** As `serve`, for a client that wants another protocol. */
  upgrade({ request, socket, head }: Upgrade, local: () => void): void {
    const id = this.#elsewhere(request)
    if (id === undefined) return void local()
    void this.#nodeOf(id).then((node) => {
      if (node) void this.#forwardUpgrade(node, { request, socket, head })
      else local()
    })
  }

  /** Whether there are workers: without them nobody need know which sandbox a request is for. */
  get hasWorkers(): boolean {
    return this.#deps.nodes.areThere
  }

  /**
   * Passes on a request for the sandbox `id` that names it where `serve` does not look. False where this node answers itself. Throws
   * `unavailable` where the worker does not answer.
   */
  async passOn(id: string, exchange: Omit<Placed, 'body'> & { body?: Buffer }): Promise<boolean> {
    const { nodes, sandboxes } = this.#deps
    if (!nodes.areThere || !isSandboxId(id) || sandboxes.live(id)) return false
    const node = await this.#nodeOf(id)
    if (node) await this.#send(node, { ...exchange, onAnswer: () => exchange.onAnswer?.(node.id) })
    return node !== undefined
  }

  /**
   * Starts a sandbox where there is most room: every door that starts one asks here, when it knows what is asked for. True where a worker has
   * answered, or its client went away; false where this node is to start it, or to refuse it. Throws `unavailable` where a worker broke off.
   */
  async place(start: Start, exchange: Placed): Promise<boolean> {
    const { nodes } = this.#deps
    if (!nodes.areThere) return false
    const wanted = await this.#placeable(start)
    if (!wanted) return false
    const { request, body } = exchange
    const tried = new Set<string>()
    const next = () => nodes.place(wanted.memoryMb, tried)
    for (let node = next(); node; node = next()) {
      tried.add(node.id)
      const by = node.id
      const onAnswer = () => exchange.onAnswer?.(by)
      const outcome = await forward(node, { ...exchange, headers: this.#headersOf(request, body), onAnswer })
      this.#tell(node, outcome)
      if (typeof outcome !== 'object') return true
      // One that has not seen it has started nothing: another one, or this one, can.
      if (!outcome.unreached) throw broken(node, outcome.failed)
    }
    return false
  }

  /** Lets routes of `app` that say so in `places` start their sandboxes on other nodes. */
  placeSandboxes(app: FastifyInstance): void {
    const place = async (request: FastifyRequest, reply: FastifyReply) => {
      const { account, principal, raw } = request
      if (!this.#deps.nodes.areThere) return
      const body = Buffer.from(JSON.stringify(request.body))
      const wish = request.body as Wish
      const exchange = { request: raw, response: reply.raw, body, onAnswer: servedBy(request, reply) }
      const isPlaced = await this.place({ account, principal, wish }, exchange)
      if (isPlaced && !reply.sent) reply.hijack() // its client went away
    }
    app.addHook('onRoute', (route) => {
      if (route.config?.places) addRouteHook(route, 'preHandler', place)
    })
  }

  /** Undefined for what needs something that only this machine has, and for what is refused wherever it is asked for. */
  async #placeable({ account, principal, wish }: Start): Promise<{ memoryMb: number } | undefined> {
    const { template, templateID, snapshot, volumes, volumeMounts, limits } = wish
    if (!allows(principal, 'sandboxes:write')) return undefined
    if (snapshot !== undefined || isFilled(volumes) || isFilled(volumeMounts)) return undefined
    const { memoryMb = this.#deps.defaultMemoryMb } = limits ?? {}
    if (!Check(LimitsView.properties.memoryMb, memoryMb)) return undefined
    const name = templateID ?? template ?? 'base'
    if (typeof name !== 'string' || !(await this.#deps.isBase(account, name))) return undefined
    return { memoryMb }
  }

  /** The id of a sandbox that may be on another node. */
  #elsewhere(request: IncomingMessage): string | undefined {
    const { nodes, sandboxes, domain } = this.#deps
    if (!nodes.areThere) return undefined
    const id = sandboxNamed(request, domain)
    return id === undefined || sandboxes.live(id) ? undefined : id
  }

  /** What cannot be looked up is answered here, where the same is found out. */
  #nodeOf(id: string): Promise<Node | undefined> {
    return this.#deps.nodes.of(id).catch(() => undefined)
  }

  async #forward(node: Node, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now()
    try {
      await this.#send(node, { request, response })
    } catch (error) {
      request.resume()
      if (response.headersSent || response.destroyed) return
      if (isGrpc(request)) refuseGrpc({ request, response }, error, newId('r'))
      else sendProblem(response, error, newId('r'))
      // Others are counted by who answers them.
      const labels = { method: request.method ?? '', route: 'sandbox:elsewhere', status: response.statusCode }
      this.#deps.metrics.answered(labels, (performance.now() - startedAt) / 1000)
    }
  }

  async #send(node: Node, exchange: Omit<Exchange, 'headers'>): Promise<void> {
    this.#checkReachable(node)
    const outcome = await forward(node, { ...exchange, headers: this.#headersOf(exchange.request, exchange.body) })
    this.#tell(node, outcome)
    if (typeof outcome === 'object') throw outcome.unreached ? unreachable(node, 1) : broken(node, outcome.failed)
  }

  async #forwardUpgrade(node: Node, exchange: Upgrade): Promise<void> {
    const { request, socket } = exchange
    socket.on('error', () => socket.destroy())
    try {
      this.#checkReachable(node)
      const headers = this.#passed(request, [...request.rawHeaders, ...forwardedFor(request)])
      await forwardUpgrade(node, { ...exchange, headers }).catch((cause) => {
        this.#tell(node, { failed: cause, unreached: true })
        throw unreachable(node, 1, cause)
      })
      this.#tell(node, 'answered')
      upgradeAnswered(socket, 'elsewhere')
    } catch (error) {
      refuseUpgrade(socket, error, newId('r'))
    }
  }

  /** Those of a request; with `body` in place of its own. */
  #headersOf(request: IncomingMessage, body?: Buffer): string[] {
    const kept = pairsOf(withoutHopByHop(request.rawHeaders)).filter(
      ([name]) => !body || name.toLowerCase() !== 'content-length',
    )
    const isChunked = request.headers['transfer-encoding'] !== undefined
    const length = body ? ['content-length', String(body.length)] : isChunked ? ['transfer-encoding', 'chunked'] : []
    return this.#passed(request, withinTrace([...kept.flat(), ...forwardedFor(request), ...length]))
  }

  #passed(request: IncomingMessage, headers: readonly string[]): string[] {
    const { pass, gateway } = this.#deps
    return pass.on(headers, gateway.addressOf(request))
  }

  #checkReachable(node: Node): void {
    const circuit = this.#deps.nodes.circuit(node)
    if (!node.isHeard || !circuit.allows()) throw unreachable(node, circuit.retryAfterSeconds)
  }

  #tell(node: Node, outcome: Outcome): void {
    const circuit = this.#deps.nodes.circuit(node)
    if (outcome === 'answered') circuit.succeeded()
    else if (outcome !== 'gone') circuit.failed()
  }
}

interface Upgrade {
  request: IncomingMessage
  socket: Duplex
  head: Buffer
}

/** What matters here of what starts a sandbox, at any door. Not all doors have checked it by then. */
export interface Wish {
  template?: unknown
  templateID?: unknown
  snapshot?: unknown
  volumes?: unknown
  volumeMounts?: unknown
  limits?: { memoryMb?: unknown } | null
}

/** A sandbox that is asked for, and by whom. */
interface Start {
  account: Account
  principal: Principal
  wish: Wish
}

/** How it is asked for; the body was read, so that it can be sent once more. */
interface Placed extends Omit<Exchange, 'headers' | 'onAnswer'> {
  body: Buffer
  /** Called with the id of the worker before anything of its answer is written. */
  onAnswer?: (by: string) => void
}

/** Leaves the answer to a request to the worker that has begun it. */
export function servedBy(request: FastifyRequest, reply: FastifyReply): (by: string) => void {
  return (by) => {
    request.servedBy = by
    reply.hijack()
  }
}

function isFilled(list: unknown): boolean {
  return list !== undefined && list !== null && !(Array.isArray(list) && list.length === 0)
}

function unreachable({ id, host }: Node, retryAfterSeconds: number, cause?: unknown): WarrenError {
  return new WarrenError('unavailable', `the sandbox is on the worker ${id} (${host}), which cannot be reached now`, {
    hint: 'It lives on while its machine does. Ask again in a moment.',
    details: { node: id, retryAfterSeconds },
    cause,
  })
}

function broken({ id, host }: Node, cause: Error): WarrenError {
  return new WarrenError('unavailable', `the worker ${id} (${host}) broke off before it answered`, {
    hint: 'Whether it did what was asked is not known: look before you ask again.',
    details: { node: id },
    cause,
  })
}
