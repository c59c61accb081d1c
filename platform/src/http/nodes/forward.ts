import http, { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { type Duplex, pipeline } from 'node:stream'
import tls, { type TLSSocket } from 'node:tls'
import type { Node } from '../../nodes/node.ts'
import { clientGone } from '../client-gone.ts'
import { cutOff } from '../cut-off.ts'
import { withoutHopByHop } from '../forwarded-headers.ts'

/** A node has this long to take a connection, milliseconds. */
const reachMs = 3_000
// Shorter than a node keeps one that is not used: what it is about to close is not taken for another request.
const agents = {
  'http:': new http.Agent({ keepAlive: true, timeout: 30_000 }),
  'https:': new https.Agent({ keepAlive: true, timeout: 30_000 }),
}

/** What came of a request that was passed on. `gone`: its client went away. `unreached`: the node has not seen any of it. */
export type Outcome = 'answered' | 'gone' | { failed: Error; unreached: boolean }

export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  /** In place of those of the request. */
  headers: string[]
  /** In place of what it would send still. */
  body?: Buffer | undefined
  /** What was read of it already. */
  before?: Buffer | undefined
  /** Aborts when its client wants no answer any more, though it is there. */
  signal?: AbortSignal | undefined
  /** Called before anything is written to the answer. */
  onAnswer?: () => void
}

/** Passes a request on to `node` and its answer back, both as streams. Nothing is answered where that fails. */
export function forward(node: Node, exchange: Exchange): Promise<Outcome> {
  const { request, response, headers, body, before, onAnswer, signal } = exchange
  const gone = clientGone(response)
  const over = signal ? AbortSignal.any([gone, signal]) : gone
  response.on('error', () => {}) // the client went away while it was written to: `gone` tells
  return new Promise((resolve) => {
    let isReached = false
    const { protocol, hostname, port } = new URL(node.address)
    const secure = protocol === 'https:'
    const upstream = (secure ? https : http).request({
      ...{ hostname, port, agent: agents[secure ? 'https:' : 'http:'], setHost: false, signal: over },
      method: request.method,
      path: request.url,
      headers,
    })
    const timer = setTimeout(() => upstream.destroy(new Error(`not reached within ${reachMs} ms`)), reachMs)
    const reached = () => {
      isReached = true
      clearTimeout(timer)
    }
    upstream.once('socket', (socket) => {
      if (!socket.connecting) reached()
      else socket.once(secure ? 'secureConnect' : 'connect', reached)
    })
    // A call of gRPC may be over while its client could still send.
    if (request.httpVersionMajor >= 2) response.once('close', () => upstream.writableFinished || upstream.destroy())
    upstream.on('error', (failed) => {
      clearTimeout(timer)
      if (response.headersSent || gone.aborted) cutOff(response)
      resolve(over.aborted ? 'gone' : { failed, unreached: !isReached })
    })
    upstream.on('response', (answer) => {
      onAnswer?.()
      try {
        response.writeHead(answer.statusCode!, withoutHopByHop(answer.rawHeaders))
        response.flushHeaders() // a stream of events may have nothing to say for long
      } catch (failed) {
        upstream.destroy()
        return resolve({ failed: failed as Error, unreached: false })
      }
      // How a call of gRPC ended. A program in a sandbox may have said what cannot be said here.
      answer.once('end', () => {
        if (Object.keys(answer.trailers).length === 0) return
        try {
          response.addTrailers(answer.trailers as OutgoingHttpHeaders)
        } catch {
          cutOff(response)
        }
      })
      pipeline(answer, response, (broken) => {
        if (broken) cutOff(response)
      })
      resolve('answered')
    })
    const hasBody = headers.some((name, at) => at % 2 === 0 && /^(content-length|transfer-encoding)$/i.test(name))
    if (before) upstream.write(before)
    if (body) upstream.end(body)
    else if (hasBody) request.pipe(upstream)
    else upstream.end()
  })
}

/** Connects a client that wants another protocol with `node`: bytes both ways from then on. Rejects where it is not reached. */
export async function forwardUpgrade(
  node: Node,
  { request, headers, socket, head }: { request: IncomingMessage; headers: string[]; socket: Duplex; head: Buffer },
): Promise<void> {
  const connection = await connect(node)
  if (socket.destroyed) return void connection.destroy()
  const lines = headers.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`))
  connection.on('error', () => socket.destroy())
  connection.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  if (head.length > 0) connection.write(head)
  pipeline(socket, connection, () => {})
  pipeline(connection, socket, () => socket.destroy())
  socket.once('close', () => connection.destroy())
}

function connect({ address }: Node): Promise<net.Socket | TLSSocket> {
  const { protocol, hostname, port } = new URL(address)
  const secure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const to = { host, port: Number(port) || (secure ? 443 : 80) }
  const connection = secure ? tls.connect({ ...to, servername: net.isIP(host) ? '' : host }) : net.connect(to)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => connection.destroy(new Error(`not reached within ${reachMs} ms`)), reachMs)
    const failed = (error: Error) => {
      clearTimeout(timer)
      reject(error)
    }
    connection.once('error', failed)
    connection.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      connection.off('error', failed)
      resolve(connection)
    })
  })
}
