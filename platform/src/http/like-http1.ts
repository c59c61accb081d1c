import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'

/**
 * A request of HTTP/2 with the head that it would have in HTTP/1.1: the name of the host, whether there is a body. So
 * whoever reads it, or passes it on to a program that speaks nothing newer, need not know.
 */
export function requestLikeHttp1(request: Http2ServerRequest): IncomingMessage {
  const { headers, rawHeaders } = request
  refuseCutBody(request)
  const pairs: string[] = []
  const cookies: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at]!, rawHeaders[at + 1]!]
    if (name.startsWith(':') || name === 'host') continue
    if (name === 'cookie') cookies.push(value)
    else pairs.push(name, value)
  }
  const host = headers[':authority'] ?? headers.host ?? ''
  pairs.unshift('host', host)
  if (cookies.length > 0) pairs.push('cookie', cookies.join('; '))
  if (!request.stream.endAfterHeaders && headers['content-length'] === undefined) {
    pairs.push('transfer-encoding', 'chunked')
    headers['transfer-encoding'] = 'chunked'
  }
  headers.host = host
  rawHeaders.splice(0, rawHeaders.length, ...pairs)
  return request as unknown as IncomingMessage
}

/** Its answer with what Node leaves out there and those who write to it go by. */
export function responseLikeHttp1(response: Http2ServerResponse): ServerResponse {
  const { stream } = response
  Object.defineProperties(response, {
    destroyed: { get: () => stream.destroyed },
    closed: { get: () => stream.closed },
    writableNeedDrain: { get: () => stream.writableNeedDrain },
    // There it is so too of an answer whose client went away in the middle.
    writableFinished: { get: () => response.writableEnded && stream.rstCode === 0 },
  })
  return response as unknown as ServerResponse
}

/** Node ends a body that breaks off as if it were whole, and says only then that it broke off. */
function refuseCutBody(request: Http2ServerRequest): void {
  const { stream } = request
  const refuse = () => void request.destroy(new Error('the client went away'))
  request.on('error', () => {}) // whoever reads is told
  stream.once('aborted', refuse)
  if (stream.endAfterHeaders) return
  stream.removeAllListeners('end')
  stream.once('end', () => setImmediate(() => (stream.rstCode === 0 ? request.push(null) : refuse())))
}
