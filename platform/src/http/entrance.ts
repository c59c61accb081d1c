import type { Server } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import type { Certified } from '../lib/certificate.ts'
import type { Logger } from '../telemetry/logger.ts'
import { http2Frames } from './http2-frames.ts'
import type { PlainConnections } from './plain/connections.ts'
import type { TlsCredentials } from './tls/credentials.ts'

/** The first byte of a TLS connection. No request begins with it. */
const handshake = 0x16
/** What HTTP/2 begins with. No method of HTTP/1.1 does. */
const preface = Buffer.from('PRI * HTTP/2.0')
const hourMs = 3_600_000

interface Deps {
  /** A client gets this long to say its first bytes, and again for the handshake. */
  patienceMs: number
  /** Where connections begin that speak no HTTP/2; without it all of them are the server's at once. */
  plain?: PlainConnections | undefined
  /** Of those, only connections inside TLS: whether others are answered at all the server judges by their requests. */
  plainInTlsOnly?: boolean
}

interface Secured {
  credentials: TlsCredentials
  /** What to show first. */
  first: Certified
  /** How often it is looked whether there is another certificate; an hour unless said. */
  renewEveryMs?: number
  logger: Pick<Logger, 'warn'>
}

/**
 * Lets `server` speak HTTP/2, and with credentials TLS as well, on the port that it listens on: the first bytes of a connection
 * tell. What is inside is HTTP/1.1 or HTTP/2, as the client chooses, and reaches the server's own listeners either way.
 */
export class Entrance {
  readonly #sessions = new Set<ServerHttp2Session>()
  /** Connections of which nobody else knows: that have said nothing yet, and those inside TLS. */
  readonly #entering = new Set<Socket>()
  #isClosed = false
  readonly #secure: tls.Server | undefined
  readonly #renewal: NodeJS.Timeout | undefined
  readonly #plain: PlainConnections | undefined
  #shown: Certified | undefined

  constructor(server: Server, { patienceMs, plain, plainInTlsOnly = false }: Deps, secured?: Secured) {
    const listeners = server.listeners('connection') as ((socket: Socket) => void)[]
    const toServer = (socket: Socket) => {
      for (const listener of listeners) listener.call(server, socket)
    }
    this.#plain = plain
    const inHttp1 = (socket: Socket) => (plain ? plain.take(socket, toServer) : toServer(socket))
    const frames = http2Frames(server, this.#sessions)
    const inFrames = (socket: Socket) => {
      // HTTP/1.1 answers who has said all that it will say. Here that ends the connection.
      socket.once('end', () => socket.destroy())
      frames.emit('connection', socket)
    }
    if (secured) {
      this.#shown = secured.first
      this.#secure = tls.createServer({
        ...contextOf(secured.first),
        ALPNProtocols: ['h2', 'http/1.1'],
        handshakeTimeout: patienceMs,
      })
      this.#secure.on('secureConnection', (socket: TLSSocket) =>
        (socket.alpnProtocol === 'h2' ? inFrames : inHttp1)(socket),
      )
      this.#secure.on('tlsClientError', (_error, socket) => socket.destroy())
      const { credentials, logger, renewEveryMs = hourMs } = secured
      this.#renewal = setInterval(() => {
        this.#renew(credentials).catch((error: Error) =>
          logger.warn({ reason: error.message }, 'certificate not renewed'),
        )
      }, renewEveryMs).unref()
    }
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      if (this.#isClosed) return void socket.destroy()
      this.#entering.add(socket)
      socket.once('close', () => this.#entering.delete(socket))
      afterFirstBytes(socket, patienceMs, (head) => {
        if (this.#secure && head[0] === handshake) return void this.#secure.emit('connection', socket)
        this.#entering.delete(socket)
        if (head.subarray(0, preface.length).equals(preface)) inFrames(socket)
        else if (plainInTlsOnly) toServer(socket)
        else inHttp1(socket)
      })
    })
  }

  /** Ends the sessions that several requests share; those of HTTP/1.1 are the server's. */
  close(): void {
    clearInterval(this.#renewal)
    this.#isClosed = true
    this.#plain?.close()
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#entering) socket.destroySoon()
  }

  async #renew(credentials: TlsCredentials): Promise<void> {
    const now = await credentials.current()
    if (now.certificate === this.#shown?.certificate) return
    this.#secure?.setSecureContext(contextOf(now))
    this.#shown = now
  }
}

/** Calls `go` with what a connection begins with, which stays to be read, as soon as that tells what it is. */
function afterFirstBytes(socket: Socket, patienceMs: number, go: (head: Buffer) => void): void {
  let head: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => socket.destroy(), patienceMs)
  const onError = () => socket.destroy()
  const onReadable = () => {
    const piece = socket.read() as Buffer | null
    if (piece === null) return void (socket.readableEnded && socket.destroy()) // it ended without a word
    head = head.length === 0 ? piece : Buffer.concat([head, piece])
    // A few bytes may be the beginning of either.
    if (head.length < preface.length && preface.subarray(0, head.length).equals(head)) return
    clearTimeout(timer)
    socket.off('error', onError)
    socket.off('readable', onReadable)
    socket.unshift(head)
    go(head)
  }
  socket.on('error', onError)
  socket.once('close', () => clearTimeout(timer))
  socket.on('readable', onReadable)
}

function contextOf({ certificate, key }: Certified): tls.SecureContextOptions {
  return { cert: certificate, key, minVersion: 'TLSv1.2' }
}
