import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Duplex, pipeline } from 'node:stream'
import tls from 'node:tls'
import type { Principal } from '../accounts/principal.ts'
import { WarrenError } from '../errors.ts'
import { portPlaceholder } from '../sandboxes/port-rules.ts'
import type { Sandboxes } from '../sandboxes/sandboxes.ts'
import { clientGone } from './client-gone.ts'
import { withoutCredentials } from './credentials.ts'
import { cutOff, reset } from './cut-off.ts'
import { type PortRight, portRight } from './e2b/port-right.ts'
import { portNotOpen, Refusal, refusalText, sendRefusal } from './e2b/refusal.ts'
import type { SandboxTokens } from './e2b/tokens.ts'
import { forwardedFor, pairsOf, withoutHopByHop } from './forwarded-headers.ts'
import type { Gateway } from './gateway/gateway.ts'
import { isGrpc, passGrpc, refuseGrpc } from './pass-grpc.ts'
import { sendProblem } from './problem.ts'
import { hangUpAfter, refuseUpgrade } from './refuse-upgrade.ts'
import { statusOfAnswer, upgradeAnswered } from './upgrade-answer.ts'

interface PreviewDeps {
  sandboxes: Sandboxes
  gateway: Gateway
  tokens: SandboxTokens
}

/** Which port of which sandbox a request is for; `port` is NaN where the address is not one of a port. */
export interface PreviewTarget {
  id: string
  /** Below /v1 a key is needed, whoever may come by other ways. */
  needsKey: boolean
  port: number
  /** What the program behind the port gets to see as its path and query. */
  path: string
}

/**
 * Reads `<port>-<id>` of localhost or `domain`, and `/v1/sandboxes/<id>/ports/<port>/…`. Undefined for what is meant for
 * the platform itself.
 */
export function previewTarget(
  { headers, url = '/' }: Pick<IncomingMessage, 'headers' | 'url'>,
  domain?: string,
): PreviewTarget | undefined {
  const label = labelOf(headers.host ?? '', domain)
  if (label !== undefined) {
    const [, port, id = ''] = /^(\d{1,5})-([a-z0-9]+)$/.exec(label) ?? []
    return { needsKey: false, id, port: portNumber(port), path: url }
  }
  const path = /^\/v1\/sandboxes\/([^/?]+)\/ports\/([^/?]+)(.*)$/s.exec(url)
  if (!path) return undefined
  const rest = path[3]!
  return { needsKey: true, id: path[1]!, port: portNumber(path[2]), path: rest.startsWith('/') ? rest : `/${rest}` }
}

/** What stands before the domain in the name of a host, if it can be the name of a sandbox. */
function labelOf(host: string, domain: string | undefined): string | undefined {
  const label = (domain && labelBelow(host, domain)) || labelBelow(host, 'localhost')
  return label === 'api' || label === 'sandbox' ? undefined : label
}

/** What stands before `.domain`; undefined for the name of the domain itself, and for others. */
export function labelBelow(host: string, domain: string): string | undefined {
  const name = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  return name.endsWith(`.${domain}`) ? name.slice(0, -domain.length - 1) : undefined
}

/** Passes a request on to a port inside a sandbox and its answer back, both as streams. */
export async function proxyRequest(
  deps: PreviewDeps,
  target: PreviewTarget,
  exchange: { request: IncomingMessage; response: ServerResponse; requestId: string },
): Promise<void> {
  const { request, response, requestId } = exchange
  const gone = clientGone(response)
  response.on('error', () => {}) // the client went away while it was written to: `gone` tells
  try {
    const { connection, by, host, principal } = await dial(deps, target, request, gone)
    endWith(deps.gateway, principal, response, () => {
      connection.destroy()
      cutOff(response)
    })
    if (isGrpc(request)) {
      const headers = forwardedHeaders(request, { by, host })
      return passGrpc(connection, { headers, path: target.path, request, response, gone, fail })
    }
    const upstream = http.request({
      createConnection: () => connection,
      method: request.method,
      path: target.path,
      headers: forwardedHeaders(request, { by, host }),
      setHost: false,
      signal: gone,
    })
    upstream.on('error', (cause) => fail(cause))
    upstream.on('response', (answer) => {
      try {
        // The parser takes statuses and texts that may not be sent on: this throws for them.
        response.writeHead(finalStatus(answer.statusCode), withoutHopByHop(answer.rawHeaders))
        response.flushHeaders() // a stream of events may have nothing to say for long
        pipeline(answer, response, () => connection.destroy())
      } catch (error) {
        connection.destroy()
        fail(error)
      }
    })
    upstream.on('upgrade', (_answer, socket) => {
      socket.destroy()
      fail(new Error('it switched to another protocol unasked'))
    })
    // A request without a length and without chunks has no body; piping it would announce an empty chunked one.
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
    if (hasBody) request.pipe(upstream)
    else upstream.end()
  } catch (error) {
    fail(error)
  }

  function fail(error: unknown): void {
    if (response.headersSent || gone.aborted) return void cutOff(response)
    const isCall = isGrpc(request)
    const typed = error instanceof WarrenError || error instanceof Refusal ? error : broken(target, error, isCall)
    if (isCall) return void refuseGrpc(exchange, typed, requestId)
    if (typed instanceof Refusal) return void sendRefusal(response, typed, requestId)
    sendProblem(response, typed, requestId, typed.code === 'unavailable' ? 502 : undefined)
  }
}

/** Connects a client that wants another protocol (WebSocket) with a port inside a sandbox: bytes both ways from then on. */
export async function proxyUpgrade(
  deps: PreviewDeps,
  target: PreviewTarget,
  exchange: { request: IncomingMessage; socket: Duplex; head: Buffer; requestId: string },
): Promise<void> {
  const { request, socket, head, requestId } = exchange
  const gone = new AbortController()
  socket.on('error', () => socket.destroy())
  socket.once('close', () => gone.abort())
  try {
    const { connection, by, host, principal } = await dial(deps, target, request, gone.signal)
    endWith(deps.gateway, principal, socket, () => reset(socket as Socket))
    connection.on('error', () => socket.destroy())
    connection.once('data', (first: Buffer) => upgradeAnswered(socket, statusOfAnswer(first)))
    connection.write(requestHead(request, { target, by, host }), 'latin1')
    if (head.length > 0) connection.write(head)
    pipeline(socket, connection, () => {})
    pipeline(connection, socket, () => socket.destroy())
    gone.signal.addEventListener('abort', () => connection.destroy())
  } catch (error) {
    if (error instanceof Refusal) return void hangUpAfter(socket, refusalText(error, requestId))
    refuseUpgrade(socket, error, requestId, (error as WarrenError).code === 'unavailable' ? 502 : undefined)
  }
}

interface Dialled {
  connection: Duplex
  by: PortRight['by']
  /** What the program shall see as its Host, where that is another. */
  host: string | undefined
  /** Whose key it came with, if it came with one. */
  principal: Principal | undefined
}

/** What is open by a key ends with the right of that key. What the other side is told is that it was cut: its protocol is not ours. */
function endWith(
  gateway: Gateway,
  principal: Principal | undefined,
  open: ServerResponse | Duplex,
  cut: () => void,
): void {
  if (!principal || open.destroyed) return
  const held = gateway.hold(principal)
  open.once('close', held.end)
  held.signal.addEventListener('abort', cut)
}

async function dial(
  deps: PreviewDeps,
  target: PreviewTarget,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<Dialled> {
  const { instance, rules, by, principal } = await portRight(deps, target, request)
  const { port } = target
  if (Number.isNaN(port)) throw new WarrenError('not_found', 'the address names no port from 1 to 65535 of a sandbox')
  const host = rules.host?.replaceAll(portPlaceholder, String(port))
  try {
    const connection = await instance.guest.dial(port, signal)
    const spoken = isGrpc(request) ? 'h2' : 'http/1.1'
    return {
      connection: rules.https.includes(port) ? await inTls(connection, spoken) : connection,
      by,
      host,
      principal,
    }
  } catch (error) {
    const closed = error instanceof WarrenError && error.code === 'unavailable' && by !== 'key'
    throw closed ? portNotOpen(target.id, port) : error
  }
}

/** Whose certificate it is does not matter: the way there is ours. */
function inTls(connection: Duplex, spoken: 'h2' | 'http/1.1'): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const secure = tls.connect({ socket: connection, rejectUnauthorized: false, ALPNProtocols: [spoken] })
    const failed = (cause: Error) => {
      connection.destroy()
      reject(new WarrenError('unavailable', 'the program behind the port does not speak TLS', { cause }))
    }
    secure.once('error', failed)
    secure.once('secureConnect', () => {
      secure.off('error', failed)
      resolve(secure)
    })
    secure.once('close', () => connection.destroy())
  })
}

/** Throws for what is no final status of HTTP. */
function finalStatus(status = 0): number {
  if (status >= 200 && status <= 599) return status
  throw new RangeError(`${status} is no final status of HTTP`)
}

function portNumber(text: string | undefined): number {
  const port = /^[1-9]\d{0,4}$/.test(text ?? '') ? Number(text) : Number.NaN
  return port <= 65_535 ? port : Number.NaN
}

function broken(target: PreviewTarget, cause: unknown, isCall: boolean): WarrenError {
  return new WarrenError(
    'unavailable',
    `what listens on port ${target.port} broke the connection off or speaks no ${isCall ? 'HTTP/2' : 'HTTP'}`,
    { cause },
  )
}

/** Headers as they came, in their order, without what is about this connection and without our key. */
function forwardedHeaders(request: IncomingMessage, { by, host }: Pick<Dialled, 'by' | 'host'>): string[] {
  const kept = withHost(pairsOf(withoutOurs(request, by, withoutHopByHop(request.rawHeaders))), host)
  const chunked = request.headers['transfer-encoding'] === undefined ? [] : ['transfer-encoding', 'chunked']
  return [...kept.flat(), ...forwardedFor(request), ...chunked]
}

function requestHead(
  request: IncomingMessage,
  { target, by, host }: { target: PreviewTarget } & Pick<Dialled, 'by' | 'host'>,
): string {
  const pairs = withHost(pairsOf(withoutOurs(request, by, request.rawHeaders)), host)
  const lines = pairs.map(([name, value]) => `${name}: ${value}\r\n`)
  const forwarded = pairsOf(forwardedFor(request)).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${request.method} ${target.path} HTTP/1.1\r\n${lines.join('')}${forwarded.join('')}\r\n`
}

function withHost(pairs: [string, string][], host: string | undefined): [string, string][] {
  if (host === undefined) return pairs
  return pairs.map(([name, value]) => [name, name.toLowerCase() === 'host' ? host : value])
}

/** Without what gave the right to come here. Where no key did, a header that could carry one belongs to the program. */
function withoutOurs({ headers }: IncomingMessage, by: PortRight['by'], rawHeaders: readonly string[]): string[] {
  const kept = by === 'key' ? withoutCredentials(headers, rawHeaders) : rawHeaders
  return pairsOf(kept)
    .filter(([name]) => !ourTokens.has(name.toLowerCase()))
    .flat()
}

const ourTokens = new Set(['x-access-token', 'e2b-traffic-access-token'])
