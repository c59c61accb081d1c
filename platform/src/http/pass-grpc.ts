import type { IncomingMessage, ServerResponse } from 'node:http'
import http2, {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { type Duplex, duplexPair, pipeline } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { cutOff } from './cut-off.ts'
import { refusalOf as refusalOfEdge } from './e2b/refusal.ts'
import { pairsOf } from './forwarded-headers.ts'
import { isPassedOn } from './gateway/client-address.ts'
import { Grpc } from './rpc/grpc.ts'
import { type RpcCode, RpcError } from './rpc/rpc-error.ts'

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR } = constants
/** What a program may have us hold for one call: MiB, and bytes of a head. */
const bounds = { maxSessionMemory: 4, maxHeaderListSize: 16_384 }

/** Whether a request is a call of gRPC: in HTTP/2, or as a node of ours passed it on, who speak HTTP/1.1 with each other. */
export function isGrpc(request: IncomingMessage): boolean {
  const type = request.headers['content-type'] ?? ''
  return (
    (request.httpVersionMajor >= 2 || isPassedOn(request)) && /^application\/grpc(?:\+[\w.-]+)?\s*(?:;|$)/i.test(type)
  )
}

interface Call {
  /** As the program shall see them. */
  headers: readonly string[]
  path: string
  request: IncomingMessage
  response: ServerResponse
  /** Aborts when nobody waits for the answer any more. */
  gone: AbortSignal
  /** Called at most once, for a call that was not answered to its end. */
  fail: (cause: unknown) => void
}

/**
 * Passes a call of gRPC on to the program at the other end of `connection`, in HTTP/2 without a word before, and its answer back: streams both
 * ways, and the trailers that say how it ended. What does not end in order is cut off.
 */
export function passGrpc(connection: Duplex, { headers, path, request, response, gone, fail }: Call): void {
  const { maxSessionMemory, maxHeaderListSize } = bounds
  const session = http2.connect(connection instanceof TLSSocket ? 'https://sandbox' : 'http://sandbox', {
    createConnection: () => asStream(connection),
    maxSessionMemory,
    settings: { enablePush: false, maxHeaderListSize },
  })
  let isOver = false
  const end = (cause?: unknown) => {
    if (isOver) return
    isOver = true
    gone.removeEventListener('abort', onGone)
    request.unpipe(stream)
    request.resume() // who sends more than a program wanted is heard to the end, for the sake of the connection
    session.destroy()
    connection.destroy()
    if (cause !== undefined) fail(cause)
  }
  const onGone = () => end(gone.reason)
  const guarded = (work: () => void) => {
    try {
      work()
    } catch (cause) {
      end(cause) // the program said what cannot be passed on
    }
  }
  let stream: ClientHttp2Stream
  try {
    stream = session.request(headOf(headers, path))
  } catch (cause) {
    session.on('error', () => {})
    session.destroy()
    connection.destroy()
    throw cause // the client said what cannot be said in HTTP/2, such as one of its headers twice
  }
  gone.addEventListener('abort', onGone)
  session.on('error', end)
  stream.on('error', end)
  stream.once('close', () => end(new Error('the program broke off')))
  let trailers: IncomingHttpHeaders = {}
  stream.on('trailers', (last) => {
    trailers = last
  })
  stream.once('response', (head, flags) => {
    // One that is nothing but a head says there how the call ended. Clients look for it after an answer too.
    const isAll = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    const { 'content-type': type, ...rest } = head as IncomingHttpHeaders
    if (isAll) trailers = rest
    const shown: IncomingHttpHeaders = isAll ? { 'content-type': type } : head
    guarded(() => {
      response.writeHead(head[':status'] ?? 502, passedOn(shown))
      response.flushHeaders()
    })
    // What was read before is told of before, unless somebody listens only now.
    stream.on('data', (data: Buffer) => {
      if (response.write(data)) return
      stream.pause()
      response.once('drain', () => stream.resume())
    })
  })
  stream.once('end', () => {
    if (isOver || stream.rstCode !== NGHTTP2_NO_ERROR || !response.headersSent) return
    guarded(() => {
      response.addTrailers(passedOn(trailers))
      response.end()
      end()
    })
  })
  request.pipe(stream)
}

/** Answers a call of gRPC with `error`, in its own words. */
export function refuseGrpc(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  error: unknown,
  requestId: string,
): void {
  request.resume()
  if (response.headersSent) return void cutOff(response)
  const { status, message } = refusalOfEdge(error, requestId)
  response.setHeader('x-request-id', requestId)
  new Grpc({ request, response }, 'proto', 'application/grpc').fail(new RpcError(codes[status] ?? 'unknown', message))
}

/** What HTTP says of a call that no program has answered, in the words of gRPC. */
const codes: Partial<Record<number, RpcCode>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  409: 'failed_precondition',
  429: 'resource_exhausted',
  500: 'internal',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
}

/** Of a socket HTTP/2 takes the handle, and what was read from it before, such as the first words of the program, would be lost. */
function asStream(connection: Duplex): Duplex {
  const [near, far] = duplexPair()
  pipeline(connection, far, (broken) => broken && near.destroy())
  pipeline(far, connection, () => {})
  return near
}

function headOf(raw: readonly string[], path: string): OutgoingHttpHeaders {
  const head: Record<string, string | string[]> = Object.create(null)
  for (const [given, value] of pairsOf(raw)) {
    const name = given.toLowerCase()
    head[name] = name in head ? [head[name]!, value].flat() : value
  }
  const { host = '', 'transfer-encoding': _, 'content-length': __, ...rest } = head
  return { ...rest, ':method': 'POST', ':path': path, ':authority': host, te: 'trailers' }
}

/** Without what HTTP/2 says in its own way, and without a length: trailers come after chunks alone. */
function passedOn(headers: IncomingHttpHeaders): Record<string, string> {
  const ofConnection =
    /^(?::|(?:connection|content-length|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$)/
  const kept = Object.entries(headers).filter(([name, value]) => value !== undefined && !ofConnection.test(name))
  return Object.fromEntries(kept) as Record<string, string>
}
