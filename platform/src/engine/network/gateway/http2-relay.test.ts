import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, connect as connectTo, createServer, type Socket } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { mintAuthority, mintCertificate } from '../../../lib/certificate.ts'
import { parseAddress } from '../addresses.ts'
import { readPolicy } from '../rules.ts'
import { Certificates } from './certificates.ts'
import { HttpRelay } from './http-relay.ts'
import { Names } from './names.ts'
import { OwnAddresses } from './own-addresses.ts'
import { Traffic } from './traffic.ts'

const name = 'h2.example'
const now = new Date()
const [authority, outer] = [mintAuthority('of the gateway', { now }), mintAuthority('of the server', { now })]
const shown = mintCertificate(outer, { names: [name], days: 2, now })

/** What the server does with a request. */
let serve = (stream: ServerHttp2Stream, _headers: IncomingHttpHeaders) => {
  stream.respond({ ':status': 200 })
  stream.end('served')
}
const server = createSecureServer({ cert: shown.certificate, key: shown.key })
server.on('session', (session) => session.on('error', () => {}))
server.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  serve(stream, headers)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())
const serverPort = (server.address() as AddressInfo).port

interface Given {
  port?: number
  trusted?: boolean
  limits?: ConstructorParameters<typeof HttpRelay>[1]
  offersHttp2?: boolean
}

/** A gateway for one sandbox, whose connections all go to `port`. */
async function openGateway(t: TestContext, given: Given = {}) {
  const { port = serverPort, trusted = true, limits, offersHttp2 = true } = given
  const certificates = new Certificates()
  certificates.use(authority, trusted ? outer.certificate : '')
  const relay = new HttpRelay({ opened: [], own: new OwnAddresses(), names: new Names(), certificates }, limits)
  const traffic = new Traffic(readPolicy({ internet: true, allow: [], deny: [] }, []))
  const gateway = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    const connection = traffic.begin(socket, parseAddress('127.0.0.1')!, port)
    connection.name = name
    relay.serveSecured(traffic, connection, { name, offersHttp2 }).catch(() => socket.destroy())
  })
  gateway.listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  t.after(() => {
    traffic.close()
    gateway.close()
  })
  const enter = (): Socket => connectTo((gateway.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  const program = (): ClientHttp2Session => {
    const tls = connectTls({
      socket: enter(),
      servername: name,
      ca: authority.certificate,
      ALPNProtocols: ['h2'],
    })
    return connect(`https://${name}:${port}`, { createConnection: () => tls }).on('error', () => {})
  }
  return { traffic, enter, program }
}

const reasons = ({ log }: Traffic) => log.flatMap(({ reason, times = 1 }) => (reason ? [`${reason} (${times})`] : []))

function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  return session.request({ ':path': '/', ...headers }).on('error', () => {})
}

/** What became of a request. */
async function answer(stream: ClientHttp2Stream): Promise<{ status?: number; text: string; code: number }> {
  let text = ''
  let status: number | undefined
  stream.on('response', (headers) => {
    status = headers[':status']
  })
  stream.on('data', (chunk) => {
    text += chunk
  })
  await new Promise((resolve) => stream.once('close', resolve))
  return { ...(status === undefined ? {} : { status }), text, code: stream.rstCode! }
}

test('a sandbox has a thousand requests at once over all its connections, and what goes beyond is refused', async (t) => {
  const { traffic, program } = await openGateway(t)
  serve = () => {} // never answers
  const sessions = Array.from({ length: 11 }, program)
  await Promise.all(sessions.map((session) => once(session, 'remoteSettings')))
  const asked = sessions.slice(0, 10).flatMap((session) => Array.from({ length: 100 }, () => ask(session)))
  // What is answered to a PING has seen what came before.
  await Promise.all(sessions.map((session) => new Promise((resolve) => session.ping(resolve))))
  assert.equal(traffic.streams, 1000)
  assert.equal((await answer(ask(sessions[10]!))).code, constants.NGHTTP2_REFUSED_STREAM)
  assert.deepEqual(reasons(traffic), ['too many requests at once (1)'])
  asked[0]!.close(constants.NGHTTP2_CANCEL)
  await new Promise((resolve) => sessions[0]!.ping(resolve))
  serve = (stream) => {
    stream.respond({ ':status': 200 }, { endStream: true })
  }
  assert.equal((await answer(ask(sessions[10]!))).status, 200)
  for (const session of sessions) session.destroy()
})

test('a head of more than 16 KiB is not taken', async (t) => {
  const { program } = await openGateway(t)
  serve = (stream) => void stream.respond({ ':status': 200 }, { endStream: true })
  const session = program()
  await once(session, 'remoteSettings')
  assert.equal(session.remoteSettings.maxHeaderListSize, 16_384)
  const [fits, not] = [12_000, 20_000].map((size) => answer(ask(session, { 'x-long': 'a'.repeat(size) })))
  assert.equal((await fits!).status, 200)
  assert.equal((await not!).code, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  session.destroy()
})

test('a connection in which nothing is asked any more ends', async (t) => {
  const limits = { handshakeMs: 15_000, headMs: 15_000, idleMs: 100 }
  const { program } = await openGateway(t, { limits })
  serve = (stream) => void stream.respond({ ':status': 200 }, { endStream: true })
  const session = program()
  assert.equal((await answer(ask(session))).status, 200)
  await once(session, 'close')
  await once(program(), 'close')
})

test('a program that says nothing, in TLS or after it, is not waited for', async (t) => {
  const limits = { handshakeMs: 100, headMs: 100, idleMs: 60_000 }
  for (const offersHttp2 of [true, false]) {
    const { enter } = await openGateway(t, { limits, offersHttp2 })
    await once(enter().resume(), 'close')
    const tls = connectTls({
      socket: enter(),
      servername: name,
      ca: authority.certificate,
      ALPNProtocols: ['http/1.1'],
    })
    tls.on('error', () => {})
    await once(tls, 'secureConnect')
    await once(tls.resume(), 'close')
  }
})

test('a program that speaks nothing but HTTP/2 learns why a server is not reached, and so does the log', async (t) => {
  const untrusted = await openGateway(t, { trusted: false })
  const nobody = await openGateway(t, { port: 1 })
  const invalid = new RegExp(`the certificate of ${name} is not valid`)
  for (const [{ program, traffic }, why] of [[untrusted, invalid] as const, [nobody, /cannot be reached/] as const]) {
    const session = program()
    const { status, text } = await answer(ask(session))
    assert.equal(status, 502)
    assert.match(text, why)
    assert.equal(reasons(traffic).length, 1)
    assert.match(reasons(traffic)[0]!, why)
    assert.match(reasons(traffic)[0]!, /\(1\)$/)
    await once(session, 'close')
  }
})

test('an answer before the end of an upload ends the request, with its trailers', async (t) => {
  const { traffic, program } = await openGateway(t)
  serve = (stream) => {
    stream.respond({ ':status': 413 }, { waitForTrailers: true })
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'x-last': 'yes' })
      setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR))
    })
    stream.end('too much')
  }
  const session = program()
  const stream = ask(session, { ':method': 'POST' })
  stream.write('some')
  let trailers: IncomingHttpHeaders = {}
  stream.on('trailers', (given) => {
    trailers = given
  })
  assert.deepEqual(await answer(stream), { status: 413, text: 'too much', code: constants.NGHTTP2_NO_ERROR })
  assert.equal(trailers['x-last'], 'yes')
  await new Promise((resolve) => session.ping(resolve))
  assert.equal(traffic.streams, 0)
  session.destroy()
})

test('a server that has ended its connection before anything was asked is asked on another', async (t) => {
  const ended = Promise.withResolvers<void>()
  let connections = 0
  const once = createTlsServer({ cert: shown.certificate, key: shown.key, ALPNProtocols: ['http/1.1'] }, (socket) => {
    connections++
    socket.on('error', () => {})
    if (connections > 1) return void socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
    socket.once('close', () => ended.resolve())
    socket.destroy()
  })
  once.listen(0, '127.0.0.1')
  await new Promise((resolve) => once.once('listening', resolve))
  t.after(() => once.close())
  const { port } = once.address() as AddressInfo
  const { enter } = await openGateway(t, { port })
  const tls = connectTls({ socket: enter(), servername: name, ca: authority.certificate, ALPNProtocols: ['http/1.1'] })
  await new Promise((resolve) => tls.once('secureConnect', resolve))
  await ended.promise
  tls.write(`GET / HTTP/1.1\r\nhost: ${name}:${port}\r\n\r\n`)
  const [said] = await new Promise<Buffer[]>((resolve) => tls.once('data', (chunk) => resolve([chunk])))
  assert.match(said!.toString(), /^HTTP\/1\.1 204/)
  assert.equal(connections, 2)
  tls.destroy()
})
