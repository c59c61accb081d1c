import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { type Answer, decode, encode, type Packet } from 'dns-packet'

/**
 * Everybody on the fake internet: run in a network namespace, it listens there at every address, and tells what it gets, a
 * line of JSON each. Arguments: TCP ports, UDP ports, the zone as JSON (name to addresses, one after the other), and where
 * DNS answers from.
 */
const [tcpPorts = '', udpPorts = '', zone = '{}', resolver] = process.argv.slice(2)
const addresses = JSON.parse(zone) as Record<string, string[]>
const asked = new Map<string, number>()

function tell(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

for (const port of tcpPorts.split(',').map(Number)) {
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
