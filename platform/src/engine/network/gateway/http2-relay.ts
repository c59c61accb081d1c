import {
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { Throttle } from './bucket.ts'
import { NotSent } from './change-headers.ts'
import { changedFor, type Headers, hopByHop, nameOf, tellRefused } from './request-head.ts'
import type { Connection, Traffic } from './traffic.ts'

interface Relayed {
  traffic: Traffic
  connection: Connection
  /** HTTP/2 is spoken on both. */
  inner: TLSSocket
  outer: TLSSocket
  /** Whom the TLS of both is for: every request must be. */
  name: string
  /** How long a connection without a request stays. */
  idleMs: number
}

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants
/** Requests at once on one connection, where further ones wait, and on all of one sandbox, where they are refused. */
const mostStreams = { ofConnection: 100, ofSandbox: 1000 }
/** What one connection may hold in the memory of the gateway, which all sandboxes share: MiB, and bytes of one head. */
const bounds = { maxSessionMemory: 4, maxHeaderListSize: 16_384 }

/** Serves HTTP/2 in TLS: each request is judged, changed and made anew at the server, trailers and resets included. */
export function relayHttp2(relayed: Relayed): void {
  const { traffic, outer, name } = relayed
  const { maxSessionMemory, maxHeaderListSize } = bounds
  const server = handshake(relayed)
  const client = connect(`https://${name}`, {
    createConnection: () => outer,
    maxSessionMemory,
    settings: { enablePush: false, maxHeaderListSize },
  })
  server.on('error', () => client.destroy())
  server.on('close', () => client.destroy())
  client.on('error', () => server.destroy())
  // No new requests here: the program inside opens another connection for them.
  client.on('goaway', () => server.close())
  client.on('close', () => server.close())
  server.on('stream', (stream, headers, flags) => {
    stream.on('error', () => {}) // its end tells
    if (traffic.streams >= mostStreams.ofSandbox) {
      tellRefused(relayed, 'too many requests at once')
      return stream.close(NGHTTP2_REFUSED_STREAM)
    }
    traffic.streams++
    stream.once('close', () => traffic.streams--)
    const asked = requestFor(relayed, headers)
    if (typeof asked === 'string') return refuse(relayed, stream, asked)
    try {
      const hasBody = (flags & NGHTTP2_FLAG_END_STREAM) === 0
      join(relayed, stream, client.request(asked, { endStream: !hasBody, waitForTrailers: hasBody }))
    } catch {
      // Where the server wants no more on this connection, nothing of it was sent: it may be tried on another.
      stream.close(client.closed || client.destroyed ? NGHTTP2_REFUSED_STREAM : NGHTTP2_INTERNAL_ERROR)
    }
  })
}

/** Refuses what is asked in HTTP/2 of a server that could not be reached. The next connection tries it again. */
export function refuseHttp2(relayed: Omit<Relayed, 'outer' | 'name'>, reason: string): void {
  const server = handshake(relayed)
  server.on('error', () => {})
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    answerRefused(stream, reason, 502)
    server.close()
  })
}

/** The session with the program inside, which ends when nothing has been asked in it for long. */
function handshake({ inner, idleMs }: Pick<Relayed, 'inner' | 'idleMs'>): ServerHttp2Session {
  // One that no server of TLS has made goes on saying this, and HTTP/2 would wait for its end for ever.
  Object.assign(inner, { secureConnecting: false })
  const { maxSessionMemory, maxHeaderListSize } = bounds
  const settings = { enablePush: false, maxConcurrentStreams: mostStreams.ofConnection, maxHeaderListSize }
  const session = performServerHandshake(inner, { maxSessionMemory, settings })
  let open = 0
  const end = () => session.close()
  let idle = setTimeout(end, idleMs)
  session.on('stream', (stream) => {
    open++
    clearTimeout(idle)
    stream.once('close', () => {
      open--
      if (open === 0 && !session.destroyed) idle = setTimeout(end, idleMs)
    })
  })
  session.once('close', () => clearTimeout(idle))
  return session
}

/** A request as it goes out; why it may not, if so. */
function requestFor(
  { traffic, connection, name }: Relayed,
  headers: IncomingHttpHeaders,
): OutgoingHttpHeaders | string {
  const { ':method': method = '', ':path': path = '', ':scheme': scheme, ':authority': authority, host } = headers
  for (const said of [authority, host])
    if (said !== undefined && nameOf(said, connection.port) !== name)
      return `it is for ${said.slice(0, 100)}, and its TLS for ${name}`
  if (authority === undefined && host === undefined) return 'it does not say whom it is for'
  if (method === 'CONNECT' || method === 'TRACE') return `${method} is not passed on`
  if (scheme !== 'https' || !(path.startsWith('/') || path === '*')) return 'its address is none of this server'
  const changed = changedFor(passedOn(headers), traffic, name)
  if (changed instanceof NotSent) return changed.message
  return { ':method': method, ':path': path, ':scheme': scheme, ':authority': authority ?? host, ...changed }
}

function passedOn(headers: IncomingHttpHeaders): Headers {
  const passed: Headers = {}
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || name === 'host' || hopByHop.has(name) || value === undefined) continue
    passed[name] = value
  }
  // Of what is meant for one hop the one thing that HTTP/2 knows: servers of gRPC ask for it.
  return headers.te === 'trailers' ? { ...passed, te: 'trailers' } : passed
}

function join(relayed: Relayed, stream: ServerHttp2Stream, out: ClientHttp2Stream): void {
  const { traffic } = relayed
  const upload = new Throttle(traffic.upload)
  const download = new Throttle(traffic.download)
  let sent: OutgoingHttpHeaders = {}
  let received: OutgoingHttpHeaders = {}
  const answered = Promise.withResolvers<void>()
  out.on('error', () => {}) // its end tells
  stream.on('trailers', (trailers) => {
    sent = trailers
  })
  out.on('wantTrailers', () => orReset(out, () => out.sendTrailers(sent)))
  out.on('trailers', (trailers) => {
    received = trailers
  })
  stream.on('wantTrailers', () => {
    orReset(stream, () => stream.sendTrailers(received))
    answered.resolve()
  })
  out.on('response', (headers, flags) => {
    const isAll = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    if (isAll) answered.resolve()
    orReset(stream, () => stream.respond(headers, isAll ? { endStream: true } : { waitForTrailers: true }))
    if (isAll || !stream.headersSent || stream.writableEnded) out.resume()
    else out.pipe(download).pipe(stream)
  })
  if (out.writableEnded) stream.resume()
  else stream.pipe(upload).pipe(out)
  stream.once('close', () => {
    for (const throttle of [upload, download]) throttle.destroy()
    if (!out.closed) out.close(stream.rstCode)
  })
  out.once('close', () => {
    if (stream.closed || stream.destroyed) return
    if (out.rstCode !== NGHTTP2_NO_ERROR) return stream.close(out.rstCode)
    if (!stream.headersSent) return refuse(relayed, stream, 'the server broke off', 502)
    if (!out.readableEnded) return stream.close(NGHTTP2_INTERNAL_ERROR)
    if (stream.readableEnded) return // it closes by itself
    // It has answered all, and wants no more of what it was being sent.
    void answered.promise.then(() => setImmediate(() => orReset(stream, () => stream.close(NGHTTP2_NO_ERROR))))
  })
}

function refuse(relayed: Relayed, stream: ServerHttp2Stream, reason: string, status = 403): void {
  tellRefused(relayed, reason)
  answerRefused(stream, reason, status)
}

function answerRefused(stream: ServerHttp2Stream, reason: string, status: number): void {
  stream.resume()
  orReset(stream, () => {
    stream.respond({ ':status': status, 'content-type': 'text/plain' })
    stream.end(`refused: ${reason}\n`)
  })
}

/** What the other side sent may be nothing that can be said: that ends one request, and not the gateway. */
function orReset(stream: ServerHttp2Stream | ClientHttp2Stream, say: () => void): void {
  if (stream.closed || stream.destroyed) return
  try {
    say()
  } catch {
    stream.close(NGHTTP2_INTERNAL_ERROR)
  }
}
