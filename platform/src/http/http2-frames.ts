import type { Server } from 'node:http'
import http2, { type Http2ServerRequest, type ServerHttp2Session } from 'node:http2'
import { requestLikeHttp1, responseLikeHttp1 } from './like-http1.ts'

const idleSessionMs = 72_000

/** What takes connections that speak HTTP/2 and hands their requests to `server`. */
export function http2Frames(server: Server, sessions: Set<ServerHttp2Session>): http2.Http2Server {
  const inFrames = http2.createServer({
    // What nobody reads is held for each stream: together 50 MiB of a connection.
    settings: { maxConcurrentStreams: 100, initialWindowSize: 512 * 1024, maxHeaderListSize: 16 * 1024 },
  })
  inFrames.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.on('error', () => session.destroy())
    session.setLocalWindowSize(8 * 1024 * 1024)
    let open = 0
    session.on('stream', (stream) => {
      open++
      stream.once('close', () => open--)
    })
    session.setTimeout(idleSessionMs, () => open === 0 && session.close())
  })
  inFrames.on('sessionError', () => {})
  inFrames.on('request', (request: Http2ServerRequest, response) => {
    // What breaks off tells the answer, which is listened to.
    request.stream.on('error', () => {})
    server.emit('request', requestLikeHttp1(request), responseLikeHttp1(response))
  })
  return inFrames
}
