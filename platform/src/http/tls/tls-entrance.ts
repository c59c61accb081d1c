import type { Server } from 'node:http'
import http2, { type Http2ServerRequest, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import type { Certified } from '../../lib/certificate.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { TlsCredentials } from './credentials.ts'
import { requestLikeHttp1, responseLikeHttp1 } from './like-http1.ts'

/** The first byte of a TLS connection. No request begins with it. */
const handshake = 0x16
const hourMs = 3_600_000
const idleSessionMs = 72_000

interface Deps {
  credentials: TlsCredentials
  /** A client gets this long to say its first byte, and again for the handshake. */
  patienceMs: number
  /** How often it is looked whether there is another certificate; an hour unless said. */
  renewEveryMs?: number
  logger: Pick<Logger, 'warn'>
}

/**
 * Lets `server` speak TLS as well, on the port that it listens on: the first byte of a connection tells. What is inside is
 * HTTP/1.1 or HTTP/2, as the client chooses, and reaches the server's own listeners either way.
 */
export class TlsEntrance {
  readonly #secure: tls.Server
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #renewal: NodeJS.Timeout
  #shown: Certified

  constructor(server: Server, first: Certified, { credentials, patienceMs, renewEveryMs = hourMs, logger }: Deps) {
    this.#shown = first
    const plain = server.listeners('connection') as ((socket: Socket) => void)[]
    const inPlain = (socket: Socket) => {
      for (const listener of plain) listener.call(server, socket)
    }
    const inFrames = frames(server, this.#sessions)
    this.#secure = tls.createServer({
      ...contextOf(first),
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: patienceMs,
    })
    this.#secure.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') inFrames.emit('connection', socket)
      else inPlain(socket)
    })
    this.#secure.on('tlsClientError', (_error, socket) => socket.destroy())
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) =>
      afterFirstByte(socket, patienceMs, (byte) => {
        if (byte === handshake) this.#secure.emit('connection', socket)
        else inPlain(socket)
      }),
    )
    this.#renewal = setInterval(() => {
      this.#renew(credentials).catch((error: Error) =>
        logger.warn({ reason: error.message }, 'certificate not renewed'),
      )
    }, renewEveryMs).unref()
  }

  /** Ends the sessions that several requests share; those of HTTP/1.1 are the server's. */
  close(): void {
    clearInterval(this.#renewal)
    for (const session of this.#sessions) session.destroy()
  }

  async #renew(credentials: TlsCredentials): Promise<void> {
    const now = await credentials.current()
    if (now.certificate === this.#shown.certificate) return
    this.#secure.setSecureContext(contextOf(now))
    this.#shown = now
  }
}

/** What takes connections that speak HTTP/2 and hands their requests to `server`. */
function frames(server: Server, sessions: Set<ServerHttp2Session>): http2.Http2Server {
  const inFrames = http2.createServer({
    settings: { maxConcurrentStreams: 1024, initialWindowSize: 1024 * 1024, maxHeaderListSize: 16 * 1024 },
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

function afterFirstByte(socket: Socket, patienceMs: number, go: (byte: number) => void): void {
  const timer = setTimeout(() => socket.destroy(), patienceMs)
  const onError = () => socket.destroy()
  socket.on('error', onError)
  socket.once('close', () => clearTimeout(timer))
  socket.once('readable', () => {
    clearTimeout(timer)
    const head = socket.read() as Buffer | null
    if (head === null) return void socket.destroy() // it ended without a word
    socket.off('error', onError)
    socket.unshift(head)
    go(head[0]!)
  })
}

function contextOf({ certificate, key }: Certified): tls.SecureContextOptions {
  return { cert: certificate, key, minVersion: 'TLSv1.2' }
}
