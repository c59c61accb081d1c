import type { IncomingMessage, ServerResponse } from 'node:http'
import { authorize } from '../accounts/roles.ts'
import { WarrenError } from '../errors.ts'
import { most } from '../functions/function.ts'
import type { Functions } from '../functions/functions.ts'
import type { GoneSignal } from '../lib/gone-signal.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { takesSpans } from '../telemetry/spans.ts'
import { clientGone } from './client-gone.ts'
import { closeIfUnread } from './close-if-unread.ts'
import { edgeTarget } from './e2b/edge-target.ts'
import { type CallResponse, FunctionAnswer } from './function-answer.ts'
import type { Drain } from './gateway/drain.ts'
import type { Gateway } from './gateway/gateway.ts'
import type { PlainAnswer } from './plain/answer.ts'
import type { PlainDoor, PlainRequest } from './plain/connections.ts'
import type { PlainHead } from './plain/head.ts'
import { sendProblem } from './problem.ts'
import { limitSlowBody } from './slow-body.ts'

interface FunctionDoorDeps {
  gateway: Gateway
  drain: Drain
  /** Below which sandboxes have names, beside localhost. */
  domain: string | undefined
  functions: Functions
  metrics: Metrics
  logger: Logger
}

interface Exchange {
  request: Pick<IncomingMessage, 'headers' | 'socket' | 'url'>
  response: CallResponse
  requestId: string
}

const route = '/v1/functions/:name/invoke'
const address = /^\/v1\/functions\/([A-Za-z][\w-]{0,63})\/invoke$/
/** What would be a key is refused the long way. */
const keyLike = /e2b_|wrr_/
/** With any of these a call is not plain. */
const special = [
  ...['origin', 'content-encoding', 'transfer-encoding', 'expect', 'prefer', 'idempotency-key', 'ce-specversion'],
] as const
/** Up to here an answer goes out in one piece with its head. */
const smallBytes = 64 * 1024

/**
 * Takes the plain calls of functions, which are nearly all, past the router: the same checks and the same answers as by the
 * route in api/invocations.ts, for less processor time. Whatever has more to it goes there. On a connection that has nothing else they
 * do not even reach node's server (http/plain/).
 */
export class FunctionDoor implements PlainDoor {
  readonly #deps: FunctionDoorDeps
  /** By their heads, of which a connection has the same one again and again. */
  readonly #names = new WeakMap<PlainHead['headers'], string>()

  constructor(deps: FunctionDoorDeps) {
    this.#deps = deps
  }

  /** Of node's server. False for what goes the long way. */
  offer(request: IncomingMessage, response: ServerResponse): boolean {
    const { method, url = '', headers, httpVersionMajor } = request
    const name = httpVersionMajor === 1 ? plainCall({ method, url, headers }) : undefined
    if (name === undefined) return false
    const exchange = { request, response, requestId: newId('r') }
    void this.#answer(name, exchange, {
      body: () => this.#bodyOf(request),
      gone: clientGone(response),
      onRefused: () => closeIfUnread({ raw: request }, response),
    })
    return true
  }

  takes(head: PlainHead): boolean {
    // Those that are traced have a context to themselves.
    if (takesSpans() || head.headers.traceparent !== undefined) return false
    const name = plainCall(head)
    if (name === undefined || edgeTarget(head, this.#deps.domain) !== undefined) return false
    this.#names.set(head.headers, name)
    return true
  }

  serve(request: PlainRequest, answer: PlainAnswer, gone: GoneSignal): void {
    const { drain } = this.#deps
    drain.enter(answer)
    const exchange = { request, response: answer, requestId: newId('r') }
    const rest = { body: () => request.body, gone, onRefused: () => {} }
    void this.#answer(this.#names.get(request.headers)!, exchange, rest).then(() => drain.leave(answer))
  }

  /** Never rejects. */
  async #answer(
    name: string,
    exchange: Exchange,
    { body, gone, onRefused }: { body: () => Buffer | Promise<Buffer>; gone: GoneSignal; onRefused: () => void },
  ): Promise<void> {
    const { request, response, requestId } = exchange
    const startedAt = performance.now()
    const answer = new FunctionAnswer(response)
    try {
      response.setHeader('x-request-id', requestId)
      const { account, principal } = await this.#deps.gateway.admit(exchange, organisationOf(request))
      authorize(principal, 'functions:invoke')
      const { traceparent } = request.headers
      const { id, version, cold, result } = await this.#deps.functions.invoke(
        account,
        name,
        {
          payload: await body(),
          traceparent: typeof traceparent === 'string' && traceparent.length <= 200 ? traceparent : undefined,
          onHead: (call, head) => answer.begin(call, head),
          onChunk: (piece) => answer.write(piece),
        },
        gone,
      )
      if (answer.begun) answer.end()
      else send(response, { id, version, cold, result: result ?? Buffer.alloc(0) })
    } catch (error) {
      if (answer.begun) response.destroy()
      else {
        onRefused()
        this.#refuse(error, exchange)
      }
    }
    const { statusCode: status } = response
    this.#deps.metrics.answered({ method: 'POST', route, status }, (performance.now() - startedAt) / 1000)
  }

  #bodyOf(request: IncomingMessage): Promise<Buffer> {
    limitSlowBody(request)
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.once('end', () => resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts)))
      request.once('error', reject)
    })
  }

  #refuse(error: unknown, { request, response, requestId }: Exchange): void {
    if (!response.destroyed) sendProblem(response, error, requestId)
    const { logger } = this.#deps
    const details = { requestId, method: 'POST', url: request.url }
    const isOurs = error instanceof WarrenError && error.code !== 'internal'
    if (!isOurs) logger.error({ err: error, ...details }, 'request failed')
    else if (response.statusCode >= 500) logger.info({ reason: error.message, ...details }, 'request refused')
  }
}

/** The name of the function, where a request is a call of one and nothing else. */
function plainCall({
  method,
  url,
  headers,
}: Pick<PlainHead, 'url' | 'headers'> & { method?: string | undefined }): string | undefined {
  if (method !== 'POST') return undefined
  const name = address.exec(url)?.[1]
  if (name === undefined || keyLike.test(name)) return undefined
  for (const header of special) if (headers[header] !== undefined) return undefined
  const length = headers['content-length']
  if (length === undefined || !(Number(length) <= most.payloadBytes)) return undefined
  return headers['content-type']?.toLowerCase().includes('cloudevents') ? undefined : name
}

function organisationOf({ headers }: Pick<IncomingMessage, 'headers'>): { organisation?: string } {
  const named = headers['warren-organisation']
  return typeof named === 'string' && named !== '' ? { organisation: named } : {}
}

function send(
  response: CallResponse,
  { id, version, cold, result }: { id: string; version: number; cold: boolean; result: Buffer },
): void {
  if (response.destroyed) return
  response.setHeader('x-warren-invocation', id)
  response.setHeader('x-warren-version', version)
  if (cold) response.setHeader('x-warren-cold-start', 'true')
  response.setHeader('content-type', 'application/json')
  response.setHeader('content-length', result.length)
  // A text in this encoding is these very bytes, and goes with the head in one write.
  if (result.length <= smallBytes) response.end(result.toString('latin1'), 'latin1')
  else response.end(result)
}
