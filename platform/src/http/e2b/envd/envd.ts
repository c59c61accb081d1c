import { WarrenError } from '../../../errors.ts'
import type { LiveSandbox } from '../../../sandboxes/live.ts'
import { measure } from '../../../sandboxes/measure.ts'
import { isInsideOpen } from '../../../sandboxes/port-rules.ts'
import { clientGone } from '../../client-gone.ts'
import { closeIfUnread } from '../../close-if-unread.ts'
import type { Procedure } from '../../rpc/procedure.ts'
import { RpcError } from '../../rpc/rpc-error.ts'
import { serveProcedure } from '../../rpc/serve.ts'
import { cutOffWith } from '../cut-off.ts'
import { allowEveryOrigin } from '../every-origin.ts'
import { isGone } from '../is-gone.ts'
import { markVariables } from '../marks.ts'
import { wokenFor } from '../port-right.ts'
import { Refusal, sandboxNotFound, sendRefusal } from '../refusal.ts'
import { audited } from './audited.ts'
import type { Address, Call, EnvdDeps, Exchange } from './call.ts'
import { compose } from './compose.ts'
import { download } from './download.ts'
import { acting } from './entries.ts'
import { filesystemService } from './filesystem-service.ts'
import { processService } from './process-service.ts'
import { sandboxOfSignature, signatureFault, signedRequest } from './signature.ts'
import { upload } from './upload.ts'

const mebibyte = 1024 * 1024
/** What answers at port 49983 of every sandbox: commands and files, served here over the guest protocol. */
export class Envd {
  readonly #deps: EnvdDeps
  readonly #services: Record<string, Record<string, Procedure<Call>>>

  constructor(deps: EnvdDeps) {
    this.#deps = deps
    this.#services = {
      'process.Process': processService,
      'filesystem.Filesystem': filesystemService(deps.watchers),
    }
  }

  /** Answers a request for the sandbox `id`; undefined where only a signature tells which one is meant. */
  async serve(id: string | undefined, exchange: Exchange): Promise<void> {
    const { request, response, requestId } = exchange
    response.on('error', () => {}) // the client went away while it was written to: the signal of the call tells
    allowEveryOrigin(request, response, 'GET, HEAD, POST')
    try {
      if (request.method === 'OPTIONS') return void response.writeHead(204).end()
      await this.#answer(id ?? (await this.#signedFor(exchange)), exchange)
    } catch (error) {
      closeIfUnread({ raw: request }, response)
      sendRefusal(response, error, requestId)
    }
  }

  async #answer(id: string, exchange: Exchange): Promise<void> {
    const { request, response, url } = exchange
    cutOffWith(this.#deps.sandboxes, id, exchange)
    const live = this.#deps.sandboxes.live(id) ?? (await this.#woken(id, exchange))
    if (url.pathname === '/health' && isRead(exchange))
      return void response.writeHead(204, { 'cache-control': 'no-store' }).end()
    const by = await this.#authorise(live, exchange)
    audited(this.#deps.audit, { live, by }, exchange)

    const guest = live.instance.guest
    switch (url.pathname) {
      case '/files': {
        const call = { guest, ...this.#userOfQuery(url) }
        await knownUser(call, (user) => new Refusal(401, `error looking up user '${user}': user: unknown user ${user}`))
        if (isRead(exchange)) return download(call, exchange)
        if (request.method === 'POST') return upload(call, exchange)
        throw new Refusal(405, 'GET and POST are served at /files')
      }
      case '/files/compose':
        return sendJson(exchange, await compose({ guest, user: undefined, signal: clientGone(response) }, exchange))
      case '/metrics':
        return sendJson(exchange, await metricsOf(live))
      case '/envs':
        return sendJson(exchange, { ...markVariables(live.id), ...(await guest.environment()) })
    }
    return this.#procedure(live, exchange)
  }

  /** A paused sandbox that resumes by itself: for whoever may act in it, and not for the question whether it runs. */
  async #woken(id: string, { request, url }: Exchange): Promise<LiveSandbox> {
    const { sandboxes, tokens } = this.#deps
    const sleeping = url.pathname === '/health' ? undefined : await sandboxes.sleeping(id)
    if (!sleeping) throw sandboxNotFound(id)
    const shown = request.headers['x-access-token']
    const mayAnyone = isInsideOpen(sleeping.metadata)
    if (!mayAnyone && !tokens.isAccess(id, shown === undefined ? undefined : String(shown)))
      throw new Refusal(403, 'a paused sandbox is resumed for its access token alone', { sandboxId: id })
    return wokenFor(sandboxes, sleeping)
  }

  async #procedure(live: LiveSandbox, exchange: Exchange): Promise<void> {
    const { request, response, url } = exchange
    const [service, method] = url.pathname.slice(1).split('/', 2)
    const procedures = Object.hasOwn(this.#services, service ?? '') ? this.#services[service!]! : {}
    const procedure = Object.hasOwn(procedures, method ?? '') ? procedures[method!] : undefined
    if (!procedure) throw new Refusal(404, `nothing is served at ${url.pathname.slice(0, 200)}`)
    if (request.method !== 'POST') throw new Refusal(405, 'procedures are called with POST')
    const caller = { live, guest: live.instance.guest, user: userOfAuthorization(request.headers.authorization) }
    await serveProcedure(procedure, {
      request,
      response,
      caller: async () => caller,
      admit: () => knownUser(caller, (user) => new RpcError('unauthenticated', `invalid username: '${user}'`)),
      isGone: () => isGone(this.#deps.sandboxes, live),
      grpc: true,
    })
  }

  /**
   * Whoever has the token may do everything; for a file a signature does too, unless a wrong token is shown. Where none was
   * wanted at the create, everybody may.
   */
  async #authorise(live: LiveSandbox, exchange: Exchange): Promise<'token' | 'anyone'> {
    const { request, url } = exchange
    const { tokens } = this.#deps
    const shown = request.headers['x-access-token']
    if ((await this.#deps.sandboxes.portRules(live)).isInsideOpen) return 'anyone'
    if (shown !== undefined) {
      if (tokens.isAccess(live.id, String(shown))) return 'token'
      throw await this.#wrong(exchange, 'unauthorized access, please provide a valid access token')
    }
    if (url.pathname !== '/files') throw new Refusal(401, 'unauthorized access, please provide a valid access token')
    const fault = signatureFault(signedRequest(request.method, url.searchParams), tokens.access(live.id), new Date())
    if (fault) throw await this.#wrong(exchange, fault)
    return 'token'
  }

  #wrong({ request, response }: Exchange, fault: string): Promise<unknown> {
    return this.#deps.gateway.failed({ request, response }, new Refusal(401, fault))
  }

  async #signedFor(exchange: Exchange): Promise<string> {
    const { request, url } = exchange
    const { sandboxes, tokens } = this.#deps
    const signed = signedRequest(request.method, url.searchParams)
    const id = sandboxOfSignature(signed, sandboxes.liveIds(), tokens)
    if (id) return id
    throw signed.signature
      ? await this.#wrong(exchange, 'invalid signature')
      : new Refusal(401, 'missing signature query parameter')
  }

  #userOfQuery(url: Address): { user: string | undefined } {
    return { user: url.searchParams.get('username') || undefined }
  }
}

function isRead({ request: { method } }: Exchange): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** The name in `Authorization: Basic`; the password says nothing. */
function userOfAuthorization(header: string | undefined): string | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=_-]*)\s*$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  return Buffer.from(encoded, 'base64').toString().split(':', 1)[0] || undefined
}

/** Throws `refusal` for a user that the sandbox does not have. */
async function knownUser(call: Pick<Call, 'guest' | 'user'>, refusal: (user: string) => Error): Promise<void> {
  if (call.user === undefined || call.user === 'user') return
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(call.user)) throw refusal(call.user.slice(0, 64))
  try {
    await call.guest.files.stat('/', acting(call))
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not_found') throw refusal(call.user)
    throw error
  }
}

async function metricsOf({ instance }: LiveSandbox): Promise<object> {
  const now = await measure(instance)
  return {
    ts: Math.floor(now.at.getTime() / 1000),
    cpu_count: now.cpuCount,
    cpu_used_pct: now.cpuUsedPct,
    mem_total: now.memTotal,
    mem_used: now.memUsed,
    mem_cache: now.memCache,
    mem_total_mib: Math.floor(now.memTotal / mebibyte),
    mem_used_mib: Math.floor(now.memUsed / mebibyte),
    disk_used: now.diskUsed,
    disk_total: now.diskTotal,
  }
}

function sendJson({ response }: Pick<Exchange, 'response'>, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
