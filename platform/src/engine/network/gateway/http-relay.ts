import {
  Agent,
  createServer,
  type IncomingMessage,
  request as requestOutside,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { type Duplex, pipeline } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { Throttle } from './bucket.ts'
import { NotSent } from './change-headers.ts'
import { refuseHttp2, relayHttp2 } from './http2-relay.ts'
import { mayBeFor, splice } from './relay.ts'
import { changedFor, type Headers, hopByHop, nameOf, tellRefused } from './request-head.ts'
import type { Connection, Traffic } from './traffic.ts'
import { type Outside, openUpstream, secure, Unreached } from './upstream.ts'

interface Carried {
  traffic: Traffic
  connection: Connection
  /** What speaks HTTP with the sandbox. */
  socket: Socket
  agent: Agent
  /** Whom its TLS is for: every request must be, and has its headers changed. */
  secured: string | undefined
  /** What was opened to the server before anything was asked. */
  first?: Promise<Socket> | undefined
}

/** How long a program may take for its part of TLS and for each head of a request, and how long it may ask nothing. */
const patience = { handshakeMs: 15_000, headMs: 15_000, idleMs: 60_000 }

/** Whom the TLS of a program is for, and whether it would speak HTTP/2. */
export interface Secured {
  name: string
  offersHttp2: boolean
}

/**
 * Serves HTTP connections whose every request must be for an allowed name that stands for the address it goes to: plain
 * ones, and in TLS those for a host whose requests are changed on their way out.
 * Requests are read and written anew, so that both ends agree where each begins.
 */
export class HttpRelay {
  readonly #server: Server
  readonly #outside: Outside
  readonly #patience: typeof patience
  readonly #carried = new WeakMap<object, Carried>()
  /** What is in the log already. */
  readonly #told = new WeakSet<Error>()

  constructor(outside: Outside, limits = patience) {
    this.#outside = outside
    this.#patience = limits
    this.#server = createServer({
      requestTimeout: 0,
      headersTimeout: limits.headMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.ceil(limits.headMs / 3),
    })
    // One that never listens would not look after these times.
    this.#server.emit('listening')
    this.#server.on('request', (request, response) => {
      this.#request(request, response).catch(() => request.socket.destroy())
    })
    this.#server.on('connect', (request, socket) => void this.#refuse(request, socket, 'CONNECT is for proxies'))
    this.#server.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket, head).catch(() => socket.destroy())
    })
    this.#server.on('clientError', (_error, socket) => socket.destroy())
  }

  serve(traffic: Traffic, connection: Connection): void {
    this.#carry({ traffic, connection, socket: connection.inside, secured: undefined })
    connection.inside.resume() // paused until it was known who serves it
  }

  /**
   * The same inside TLS, which the sandbox speaks with this gateway, and the gateway with the server. A program that offers
   * HTTP/2 gets it where the server has it too, so that nothing has to be said in other words.
   */
  async serveSecured(traffic: Traffic, connection: Connection, { name, offersHttp2 }: Secured): Promise<void> {
    const first = offersHttp2 ? this.#open({ traffic, connection, secured: name }, ['h2', 'http/1.1']) : undefined
    let unreached: string | undefined
    const outer = await first?.catch((error: Error) => {
      this.#told.add(error)
      tellRefused({ traffic, connection }, error.message)
      unreached = error.message
    })
    outer?.on('error', () => {}) // nobody may have taken it up yet
    const { inside } = connection
    if (inside.destroyed) return void outer?.destroy()
    // What offers nothing else can be told why only so.
    const speaksHttp2 = unreached !== undefined || outer?.alpnProtocol === 'h2'
    const socket = new TLSSocket(inside, {
      isServer: true,
      secureContext: this.#outside.certificates.contextFor(name),
      ALPNProtocols: speaksHttp2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    })
    socket.on('error', () => inside.destroy())
    const { handshakeMs, idleMs } = this.#patience
    const late = setTimeout(() => inside.destroy(), handshakeMs)
    inside.once('close', () => clearTimeout(late))
    socket.once('secure', () => {
      clearTimeout(late)
      const secured = { traffic, connection, inner: socket, idleMs }
      if (socket.alpnProtocol !== 'h2') {
        if (outer?.alpnProtocol !== 'h2') return this.#carry({ traffic, connection, socket, secured: name, first })
        outer.destroy()
        return this.#carry({ traffic, connection, socket, secured: name })
      }
      if (unreached !== undefined) return refuseHttp2(secured, unreached)
      if (!outer || outer.destroyed) return void inside.destroy()
      relayHttp2({ ...secured, outer, name })
    })
  }

  async #open(
    { traffic, connection, secured }: { traffic: Traffic; connection: Connection; secured: string },
    protocols: string[],
  ): Promise<TLSSocket> {
    const outer = await openUpstream(traffic, connection, this.#outside)
    return secure(outer, { name: secured, protocols }, this.#outside.certificates)
  }

  #carry(given: Omit<Carried, 'agent'>): void {
    const { traffic, connection, socket, secured } = given
    let { first } = given
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const open = (): Promise<Socket> =>
      secured === undefined
        ? openUpstream(traffic, connection, this.#outside)
        : this.#open({ traffic, connection, secured }, ['http/1.1'])
    agent.createConnection = (_options, done) => {
      // The server may have ended it before anything was asked.
      const opening = first?.then((outer) => (outer.destroyed || outer.readableEnded ? open() : outer)) ?? open()
      first = undefined
      opening.then(
        (outer) => done?.(null, outer),
        (error) => done?.(error, undefined as never),
      )
      return undefined
    }
    this.#carried.set(socket, { ...given, agent })
    connection.inside.once('close', () => agent.destroy())
    this.#server.emit('connection', socket)
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const carried = this.#carried.get(request.socket)
    if (!carried) return void request.socket.destroy()
    const refused = await this.#reasonAgainst(request, carried)
    if (refused) return this.#answerRefused(request, response, refused)
    const { traffic, connection } = carried
    const headers = changedFor(passedOn(request), carried.traffic, carried.secured)
    if (headers instanceof NotSent) return this.#answerRefused(request, response, headers.message)
    const outer = requestOutside({
      agent: carried.agent,
      method: request.method!,
      path: pathOf(request),
      headers,
      setHost: false,
    })
    const broken = (error: Error) => {
      if (error instanceof Unreached && !this.#told.has(error)) tellRefused(carried, error.message)
      const reason = error instanceof Unreached ? `${error.message}\n` : ''
      if (!response.headersSent && !connection.inside.destroyed) response.writeHead(502).end(reason)
      else connection.inside.destroy()
    }
    outer.on('error', broken)
    outer.on('response', (answer) => {
      response.writeHead(answer.statusCode!, answer.statusMessage, passedOn(answer))
      pipeline(answer, new Throttle(traffic.download), response, () => {})
    })
    outer.on('upgrade', (_answer, socket) => socket.destroy())
    pipeline(request, new Throttle(traffic.upload), outer, (error) => {
      if (error && !request.complete) outer.destroy()
    })
    response.once('close', () => {
      if (!response.writableFinished) outer.destroy()
    })
  }

  /** WebSocket alone: what follows other upgrades may be requests again, which nobody would look at. */
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const carried = this.#carried.get(socket)
    if (!carried) return void socket.destroy()
    socket.on('error', () => {})
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket' && request.method === 'GET'
    const refused = isWebSocket ? await this.#reasonAgainst(request, carried) : 'only WebSocket may take over'
    if (refused) return this.#refuse(request, socket, refused)
    if (socket.destroyed) return
    const { traffic } = carried
    const headers = changedFor(passedOn(request), carried.traffic, carried.secured)
    if (headers instanceof NotSent) return this.#refuse(request, socket, headers.message)
    const outer = requestOutside({
      agent: carried.agent,
      method: 'GET',
      path: pathOf(request),
      headers: { ...headers, connection: 'upgrade', upgrade: 'websocket' },
      setHost: false,
    })
    outer.on('error', (error) => {
      if (error instanceof Unreached && !this.#told.has(error)) tellRefused(carried, error.message)
      socket.destroy()
    })
    outer.on('response', (answer) => {
      // Refused by the server: its answer, and then the end.
      ;(socket as Socket).write(statusLine(answer))
      pipeline(answer, socket, () => socket.destroy())
    })
    outer.on('upgrade', (answer, outerSocket, outerHead) => {
      ;(socket as Socket).write(statusLine(answer))
      if (outerHead.length > 0) (socket as Socket).write(outerHead)
      if (head.length > 0) outerSocket.write(head)
      splice(traffic, carried.socket, outerSocket as Socket)
    })
    outer.end()
  }

  /** The name of a request is that of its address, if it has one with a name in it, and else that of its Host: both, if both are there. */
  async #reasonAgainst(
    request: IncomingMessage,
    { traffic, connection, secured }: Carried,
  ): Promise<string | undefined> {
    const hosts = request.rawHeaders.filter((_, at) => at % 2 === 0 && request.rawHeaders[at]!.toLowerCase() === 'host')
    const name = hosts.length === 1 ? nameOf(request.headers.host!, connection.port) : undefined
    if (!name) return 'it does not say whom it is for (Host)'
    if (secured !== undefined && name !== secured) return `it is for ${name} (Host), and its TLS for ${secured}`
    if (secured !== undefined && request.method === 'TRACE') return 'TRACE would send back what was added'
    connection.name = name
    if (connection.entry.name && connection.entry.name !== name) connection.entry = { ...connection.entry }
    if (!request.url!.startsWith('/') && request.url !== '*') {
      const absolute = URL.canParse(request.url!) ? new URL(request.url!) : undefined
      if (
        absolute?.protocol !== (secured === undefined ? 'http:' : 'https:') ||
        nameOf(absolute.host, connection.port) !== name
      )
        return 'its address and its Host name two'
    }
    // What is looked into was found to be for this name when it began, and is cut when it may not be any more.
    return secured === undefined ? mayBeFor(traffic, connection, { name, names: this.#outside.names }) : undefined
  }

  #answerRefused(request: IncomingMessage, response: ServerResponse, reason: string): void {
    const carried = this.#carried.get(request.socket)!
    tellRefused(carried, reason)
    response.writeHead(403, { 'content-type': 'text/plain', connection: 'close' }).end(`refused: ${reason}\n`)
  }

  #refuse(_request: IncomingMessage, socket: Duplex, reason: string): void {
    const carried = this.#carried.get(socket)
    if (carried) tellRefused(carried, reason)
    socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n', () => socket.destroy())
  }
}

function pathOf(request: IncomingMessage): string {
  const url = request.url!
  if (url.startsWith('/') || url === '*') return url
  const { pathname, search } = new URL(url)
  return pathname + search
}

function passedOn({ rawHeaders, headers }: IncomingMessage): Headers {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  const passed: Headers = {}
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    const lower = name.toLowerCase()
    // Of those that say where a message ends none may be taken away by naming it.
    const framing = lower === 'transfer-encoding' || lower === 'content-length' || lower === 'host'
    if (hopByHop.has(lower) || (named.has(lower) && !framing)) continue
    const before = passed[lower]
    passed[lower] = before === undefined ? rawHeaders[at + 1]! : [before, rawHeaders[at + 1]!].flat()
  }
  return passed
}

function statusLine(answer: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`]
  for (let at = 0; at < answer.rawHeaders.length; at += 2)
    lines.push(`${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}
