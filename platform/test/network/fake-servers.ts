import { createSocket } from 'node:dgram'
import { createServer as createHttpServer } from 'node:http'
import { performServerHandshake } from 'node:http2'
import { connect, createServer, type Socket } from 'node:net'
import { createSecureContext, createServer as createTlsServer, type SecureContext, type TLSSocket } from 'node:tls'
import { type Answer, decode, encode, type Packet } from 'dns-packet'

/**
 * Everybody on the fake internet: run in a network namespace, it listens there at every address, and tells what it gets, a
 * line of JSON each. Arguments: TCP ports, UDP ports, the zone as JSON (name to addresses, one after the other), and where
 * DNS answers from, and certificates by name as JSON: with some, port 443 speaks TLS for them, and port 1080 is a proxy.
 */
const [tcpPorts = '', udpPorts = '', zone = '{}', resolver, certified = '{}'] = process.argv.slice(2)
const certificates = JSON.parse(certified) as Record<string, { certificate: string; key: string }>
const speaksTls = Object.keys(certificates).length > 0
const addresses = JSON.parse(zone) as Record<string, string[]>
const asked = new Map<string, number>()

function tell(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

for (const port of tcpPorts.split(',').map(Number)) {
  if (port === 443 && speaksTls) continue
  createServer((socket) => (port === 53 ? longQuestions(socket) : serve(socket, port))).listen(port, '0.0.0.0')
}
for (const port of udpPorts.split(',').map(Number)) {
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    tell({ kind: 'udp', port, text: message.toString('latin1') })
    const reply = port === 53 ? answer(message) : message
    if (reply) socket.send(reply, from.port, from.address)
  })
  // An answer must come from where the question went.
  socket.bind(port, port === 53 ? resolver : undefined)
}
if (speaksTls) {
  serveTls()
  createServer(serveProxy).listen(1080, '0.0.0.0')
}
tell({ kind: 'ready' })

/** Answers every chunk, in a way that HTTP takes for an answer too. */
function serve(socket: Socket, port: number): void {
  const address = socket.localAddress
  tell({ kind: 'connected', address, port })
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    const text = chunk.toString('latin1')
    tell({ kind: 'tcp', address, port, text })
    if (port === 8443) return void socket.write(chunk)
    const moved = text.includes('/to-metadata')
    const head = moved ? 'HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest' : 'HTTP/1.1 200 OK'
    const body = `served by ${address}:${port}`
    socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  })
}

/** Tells each request, and answers it with its headers. */
function serveTls(): void {
  const inside = createHttpServer((request, response) => {
    const { method, url, headers } = request
    const name = (request.socket as TLSSocket).servername
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      tell({ kind: 'https', name, method, url, headers, text })
      response.setHeader('x-served', 'yes')
      response.end(JSON.stringify({ name, method, url, headers, text }))
    })
  })
  inside.on('upgrade', (request, socket) => {
    tell({ kind: 'https', method: 'UPGRADE', url: request.url, headers: request.headers })
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    socket.pipe(socket)
  })
  const contexts = new Map(
    Object.entries(certificates).map(([name, { certificate, key }]) => [
      name,
      createSecureContext({ cert: certificate, key }),
    ]),
  )
  const options = {
    SNICallback: (name: string, done: (error: null, context?: SecureContext) => void) => done(null, contexts.get(name)),
    // One server of all speaks HTTP/2.
    ALPNCallback: ({ servername, protocols }: { servername: string; protocols: string[] }) =>
      ['h2', 'http/1.1'].find((one) => protocols.includes(one) && (one !== 'h2' || servername.startsWith('h2.'))),
  }
  const server = createTlsServer(options, (socket) => {
    socket.on('error', () => {})
    if (socket.alpnProtocol === 'h2') serveHttp2(socket)
    else inside.emit('connection', socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(443, '0.0.0.0')
}

/** As `serveTls`, with trailers; `/only` has nothing but a head, `/reset` is broken off. */
function serveHttp2(socket: TLSSocket): void {
  const session = performServerHandshake(socket)
  session.on('error', () => {})
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    const { ':method': method, ':path': url, ':authority': name } = headers
    let text = ''
    let trailers = {}
    stream.on('data', (chunk) => {
      text += chunk
    })
    stream.on('trailers', (sent) => {
      trailers = { ...sent }
    })
    stream.on('end', () => {
      tell({ kind: 'https', name, method, url, headers, text, version: 2 })
      if (url === '/only') return void stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true })
      if (url === '/reset') return void stream.close(7)
      stream.respond({ ':status': 200, 'x-served': 'yes' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-length': String(text.length) }))
      stream.end(JSON.stringify({ name, method, url, headers, text: text.slice(0, 100), trailers }))
    })
  })
}

/** A proxy for SOCKS 5 whose user is `tenant` with the password `opensesame`. */
function serveProxy(socket: Socket): void {
  socket.on('error', () => {})
  let step = 0
  socket.on('data', (chunk: Buffer) => {
    step++
    if (step === 1) return void socket.write(chunk.includes(2, 2) ? '\x05\x02' : '\x05\xff', 'latin1')
    if (step === 2) {
      const user = chunk.subarray(2, 2 + chunk[1]!).toString()
      const password = chunk.subarray(3 + chunk[1]!).toString()
      tell({ kind: 'proxy user', user })
      return void socket.write(user === 'tenant' && password === 'opensesame' ? '\x01\x00' : '\x01\x01', 'latin1')
    }
    const address = [...chunk.subarray(4, 8)].join('.')
    const port = chunk.readUInt16BE(8)
    tell({ kind: 'proxied', address, port })
    socket.removeAllListeners('data')
    const outer = connect(port, address, () => {
      socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
      socket.pipe(outer)
      outer.pipe(socket)
    })
    outer.on('error', () => socket.destroy())
  })
}

function longQuestions(socket: Socket): void {
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    tell({ kind: 'tcp', address: socket.localAddress, port: 53, text: chunk.toString('latin1') })
    const reply = answer(chunk.subarray(2))
    const length = Buffer.alloc(2)
    length.writeUInt16BE(reply?.length ?? 0)
    if (reply) socket.write(Buffer.concat([length, reply]))
  })
}

/** A name with several addresses has them in turn, and not for long: that is how rebinding is done. */
function answer(message: Buffer): Buffer | undefined {
  let query: Packet
  try {
    query = decode(message)
  } catch {
    return undefined
  }
  const { name = '', type } = query.questions?.[0] ?? {}
  tell({ kind: 'question', name, type })
  const listed = addresses[name.toLowerCase()] ?? []
  const turn = asked.get(name) ?? 0
  if (type === 'A') asked.set(name, turn + 1)
  const data = listed[Math.min(turn, listed.length - 1)]
  const answers: Answer[] =
    type === 'A' && data
      ? [{ type: 'A', name, ttl: listed.length > 1 ? 0 : 300, data }]
      : type === 'TXT'
        ? [{ type: 'TXT', name, ttl: 1, data: 'text' }]
        : []
  return encode({
    type: 'response',
    id: query.id ?? 0,
    flags: data || answers.length > 0 ? 0x8180 : 0x8183,
    questions: query.questions ?? [],
    answers,
  })
}
