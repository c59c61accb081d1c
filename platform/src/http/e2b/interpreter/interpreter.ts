import type { IncomingMessage } from 'node:http'
import type { AuditLog } from '../../../audit/audit-log.ts'
import type { LiveSandbox } from '../../../sandboxes/live.ts'
import type { Sandboxes } from '../../../sandboxes/sandboxes.ts'
import { auditInside } from '../../audit-inside.ts'
import { clientGone } from '../../client-gone.ts'
import { closeIfUnread } from '../../close-if-unread.ts'
import type { Gateway } from '../../gateway/gateway.ts'
import { cutOffWith } from '../cut-off.ts'
import type { Exchange } from '../envd/call.ts'
import { allowEveryOrigin } from '../every-origin.ts'
import { isGone } from '../is-gone.ts'
import { portRight } from '../port-right.ts'
import { Refusal, refusalOf, retryHeaders, sandboxNotFound, sendRefusal } from '../refusal.ts'
import type { SandboxTokens } from '../tokens.ts'
import { created, listed, removed, restarted } from './contexts.ts'
import { execute } from './execute.ts'

interface InterpreterDeps {
  audit: AuditLog
  sandboxes: Sandboxes
  gateway: Gateway
  tokens: SandboxTokens
}

/** Code of a megabyte, in JSON that may write a character in six. */
const mostBytes = 8 * 1024 * 1024

/** The calls that stand in the audit log. */
const verbs = [
  ['create', /^POST \/contexts$/],
  ['execute', /^POST \/execute$/],
  ['remove', /^DELETE \/contexts\//],
  ['restart', /^POST \/contexts\/.*\/restart$/],
] as const

/** What answers at port 49999 of every sandbox: code in contexts, served here over the guest protocol. */
export class Interpreter {
  readonly #deps: InterpreterDeps

  constructor(deps: InterpreterDeps) {
    this.#deps = deps
  }

  async serve(id: string, exchange: Exchange): Promise<void> {
    const { request, response, requestId } = exchange
    response.on('error', () => {}) // the client went away while it was written to: `clientGone` tells
    allowEveryOrigin(request, response, 'GET, POST, DELETE')
    try {
      if (request.method === 'OPTIONS') return void response.writeHead(204).end()
      const { live, by } = await this.#admitted(id, exchange)
      this.#audited(live, by, exchange)
      await this.#answer(live, exchange)
    } catch (error) {
      closeIfUnread({ raw: request }, response)
      const refusal = refusalOf(error, requestId)
      // Clients read the end of a sandbox out of JSON, and everything else as text.
      if (refusal.status === 502 || response.headersSent) sendRefusal(response, refusal, requestId)
      else sendText(exchange, refusal.status, { text: refusal.message, headers: retryHeaders(error, refusal.status) })
    }
  }

  /**
   * The sandbox, for whoever may reach its port. To run code takes more than that the port is open to everybody; the clients
   * show their token for nothing else.
   */
  async #admitted(id: string, exchange: Exchange): Promise<{ live: LiveSandbox; by: 'token' | 'anyone' }> {
    const { sandboxes } = this.#deps
    const { request, url } = exchange
    cutOffWith(sandboxes, id, exchange)
    const { by, rules } = await portRight(this.#deps, { id, needsKey: false }, request)
    const live = sandboxes.live(id)
    if (!live) throw sandboxNotFound(id)
    if (by === 'public' && !rules.isInsideOpen && url.pathname === '/execute')
      throw new Refusal(401, 'unauthorized access, please provide a valid access token')
    return { live, by: by === 'public' ? 'anyone' : 'token' }
  }

  #audited({ id, accountId }: LiveSandbox, by: 'token' | 'anyone', exchange: Exchange): void {
    const asked = `${exchange.request.method} ${exchange.url.pathname}`
    const [verb] = verbs.find(([, pattern]) => pattern.test(asked)) ?? []
    if (!verb) return
    const about = { accountId, actorKind: by, actor: id, action: `context.${verb}`, subject: id, first: true }
    auditInside(this.#deps.audit, about, exchange)
  }

  async #answer(live: LiveSandbox, exchange: Exchange): Promise<void> {
    const { request, response, url } = exchange
    const signal = clientGone(response)
    const asked = `${request.method} ${url.pathname}`
    if (asked === 'GET /health') return sendText(exchange, 200, { text: 'OK' })
    if (asked === 'GET /contexts') return sendJson(exchange, await listed(live))
    if (asked === 'POST /contexts') return sendJson(exchange, await created(live, await readJson(request), signal))
    if (asked === 'POST /execute')
      return execute(live, await readJson(request), exchange, () => isGone(this.#deps.sandboxes, live))
    const [, id, verb] = /^\/contexts\/([\w-]{1,64})(\/restart)?$/.exec(url.pathname) ?? []
    if (id && request.method === 'DELETE' && !verb) return sendJson(exchange, await removed(live, id))
    if (id && request.method === 'POST' && verb) return sendJson(exchange, await restarted(live, id))
    throw new Refusal(404, `nothing is served at ${asked.slice(0, 200)}`)
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length
    if (bytes > mostBytes) throw new Refusal(413, `the body may have ${mostBytes} bytes at most`)
    chunks.push(chunk)
  }
  if (bytes === 0) return {}
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new Refusal(400, 'the body is no JSON')
  }
}

function sendJson({ response }: Exchange, body: unknown): void {
  const text = JSON.stringify(body ?? null)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

function sendText(
  { response }: Exchange,
  status: number,
  { text, headers }: { text: string; headers?: Record<string, string> },
): void {
  response.writeHead(status, {
    ...headers,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}
