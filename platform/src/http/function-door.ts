import type { IncomingMessage, ServerResponse } from 'node:http'
import { authorize } from '../accounts/roles.ts'
import { WarrenError } from '../errors.ts'
import { most } from '../functions/function.ts'
import type { Functions } from '../functions/functions.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { clientGone } from './client-gone.ts'
import { closeIfUnread } from './close-if-unread.ts'
import { FunctionAnswer } from './function-answer.ts'
import type { Gateway } from './gateway/gateway.ts'
import { sendProblem } from './problem.ts'

interface FunctionDoorDeps {
  gateway: Gateway
  functions: Functions
  metrics: Metrics
  logger: Logger
  /** The body must be there after so long, milliseconds. */
  patienceMs: number
}

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
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
 * route in api/invocations.ts, for less processor time. Whatever has more to it goes there.
 */
export class FunctionDoor {
  readonly #deps: FunctionDoorDeps

  constructor(deps: FunctionDoorDeps) {
    this.#deps = deps
  }

  /** False for what goes the long way. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const name = plainCall(request)
    if (name === undefined) return false
    void this.#serve(name, { request, response, requestId: newId('r') })
    return true
  }

  async #serve(name: string, exchange: Exchange): Promise<void> {
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
          payload: await this.#bodyOf(request),
          traceparent: typeof traceparent === 'string' && traceparent.length <= 200 ? traceparent : undefined,
          onHead: (call, head) => answer.begin(call, head),
          onChunk: (piece) => answer.write(piece),
        },
        clientGone(response),
      )
      if (answer.begun) answer.end()
      else send(response, { id, version, cold, result: result ?? Buffer.alloc(0) })
    } catch (error) {
      this.#refuse(error, exchange, answer)
    }
    const { statusCode: status } = response
    this.#deps.metrics.answered({ method: 'POST', route, status }, (performance.now() - startedAt) / 1000)
  }

  async #bodyOf(request: IncomingMessage): Promise<Buffer> {
    const late = () => request.destroy(new WarrenError('timeout', 'the body did not arrive in time'))
    const timer = setTimeout(late, this.#deps.patienceMs)
    try {
      return await new Promise((resolve, reject) => {
        const parts: Buffer[] = []
        request.on('data', (part: Buffer) => parts.push(part))
        request.once('end', () => resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts)))
        request.once('error', reject)
      })
    } finally {
      clearTimeout(timer)
    }
  }

  #refuse(error: unknown, { request, response, requestId }: Exchange, answer: FunctionAnswer): void {
    if (answer.begun) return void response.destroy()
    closeIfUnread({ raw: request }, response)
    if (!response.destroyed) sendProblem(response, error, requestId)
    const { logger } = this.#deps
    const details = { requestId, method: 'POST', url: request.url }
    const isOurs = error instanceof WarrenError && error.code !== 'internal'
    if (!isOurs) logger.error({ err: error, ...details }, 'request failed')
    else if (response.statusCode >= 500) logger.info({ reason: error.message, ...details }, 'request refused')
  }
}

/** The name of the function, where a request is a call of one and nothing else. */
function plainCall({ method, url = '', headers, httpVersionMajor }: IncomingMessage): string | undefined {
  if (method !== 'POST' || httpVersionMajor !== 1) return undefined
  const name = address.exec(url)?.[1]
  if (name === undefined || keyLike.test(name)) return undefined
  for (const header of special) if (headers[header] !== undefined) return undefined
  const length = headers['content-length']
  if (length === undefined || !(Number(length) <= most.payloadBytes)) return undefined
  return headers['content-type']?.toLowerCase().includes('cloudevents') ? undefined : name
}

function organisationOf({ headers }: IncomingMessage): { organisation?: string } {
  const named = headers['warren-organisation']
  return typeof named === 'string' && named !== '' ? { organisation: named } : {}
}

function send(
  response: ServerResponse,
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
