import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import { type AddressRange, parseAddress, parseRange } from '../addresses.ts'
import { firstOuterAddress, type GatewaySettings, type GatewayStatus, type SlotBytes } from '../messages.ts'
import { type NetworkPolicy, readPolicy } from '../rules.ts'
import { answer } from './answer.ts'
import { Certificates } from './certificates.ts'
import { HttpRelay } from './http-relay.ts'
import { Names } from './names.ts'
import { OwnAddresses } from './own-addresses.ts'
import { relay } from './relay.ts'
import { Traffic } from './traffic.ts'

/** Descriptors that `warren-guest gateway` opens for us in the network where the sandboxes' packets arrive. */
const sockets = { connections: 3, questions: 4, longQuestions: 5 }
const mostConnections = 20_000
/** What a resolver of ours may send by UDP, and what fits a message by TCP. */
const mostBytes = { udp: 1232, tcp: 65_535 }
const idleMs = 10_000

/** The way out of all sandboxes of one platform: relays what their policies allow, answers their questions for names. */
export class Gateway {
  readonly #traffic = new Map<number, Traffic>()
  readonly #outside = {
    opened: [] as AddressRange[],
    own: new OwnAddresses(),
    names: new Names(),
    certificates: new Certificates(),
  }
  readonly #http = new HttpRelay(this.#outside)

  async open(): Promise<void> {
    const relays = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#connection(socket))
    const questions = createSocket('udp4')
    questions.on('message', (message, from) => void this.#question(questions, message, from))
    const longQuestions = createServer((socket) => this.#longQuestions(socket))
    relays.maxConnections = mostConnections
    longQuestions.maxConnections = 1000
    await Promise.all([
      listening(relays, sockets.connections),
      listening(longQuestions, sockets.longQuestions),
      new Promise<void>((resolve) => questions.bind({ fd: sockets.questions }, resolve)),
    ])
  }

  configure(settings: GatewaySettings, slots: readonly number[]): void {
    this.#outside.opened.splice(0, Number.POSITIVE_INFINITY, ...settings.opened.map((text) => parseRange(text)!))
    this.#outside.own.tell(settings.hostAddresses)
    this.#outside.names.useServers(settings.resolvers)
    this.#outside.certificates.use(settings.authority, settings.authorities)
    for (const slot of this.#traffic.keys()) if (!slots.includes(slot)) this.clear(slot)
    for (const traffic of this.#traffic.values()) traffic.setRules(traffic.rules, this.#outside.opened)
  }

  /** When this returns, nothing goes out any more that `policy` does not allow. */
  set(slot: number, policy: NetworkPolicy): void {
    const rules = readPolicy(policy, this.#outside.opened)
    const traffic = this.#traffic.get(slot) ?? new Traffic(rules)
    this.#traffic.set(slot, traffic)
    traffic.setRules(rules, this.#outside.opened)
    traffic.setOutgoing(policy.outgoing)
  }

  clear(slot: number): void {
    this.#traffic.get(slot)?.close()
    this.#traffic.delete(slot)
  }

  status(slot: number): GatewayStatus | undefined {
    const traffic = this.#traffic.get(slot)
    return traffic && { counters: traffic.counters, log: traffic.log }
  }

  /** Of one slot, or of all. */
  counters(only?: number): SlotBytes[] {
    const all = only === undefined ? [...this.#traffic] : [[only, this.#traffic.get(only)] as const]
    return all.flatMap(([slot, traffic]) => {
      if (!traffic) return []
      const { bytesSent: sent, bytesReceived: received } = traffic.counters
      return [{ slot, counter: `${slot}@${traffic.since}`, sent, received }]
    })
  }

  #connection(socket: Socket): void {
    const traffic = this.#of(socket.remoteAddress)
    socket.on('error', () => {})
    if (!traffic) return void socket.resetAndDestroy()
    relay(traffic, socket, {
      outside: this.#outside,
      serveHttp: (connection) => this.#http.serve(traffic, connection),
      serveSecured: (connection, secured) => {
        this.#http.serveSecured(traffic, connection, secured).catch(() => connection.inside.destroy())
      },
    }).catch(() => socket.resetAndDestroy())
  }

  async #question(socket: UdpSocket, message: Buffer, from: { address: string; port: number }): Promise<void> {
    const reply = await this.#answer(message, this.#of(from.address), mostBytes.udp)
    if (reply) socket.send(reply, from.port, from.address, () => {})
  }

  /** Messages with their length before them, one answered after the other. */
  #longQuestions(socket: Socket): void {
    const traffic = this.#of(socket.remoteAddress)
    let waiting: Buffer = Buffer.alloc(0)
    let last: Promise<void> = Promise.resolve()
    socket.setTimeout(idleMs, () => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      waiting = Buffer.concat([waiting, chunk])
      if (waiting.length > 2 * mostBytes.tcp) return socket.destroy()
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const end = 2 + waiting.readUInt16BE(0)
        const message = waiting.subarray(2, end)
        waiting = waiting.subarray(end)
        last = last.then(async () => {
          const reply = await this.#answer(message, traffic, mostBytes.tcp)
          if (!reply || socket.destroyed) return
          const length = Buffer.alloc(2)
          length.writeUInt16BE(reply.length)
          socket.write(Buffer.concat([length, reply]))
        })
      }
    })
  }

  #answer(message: Buffer, traffic: Traffic | undefined, most: number): Promise<Buffer | undefined> {
    return answer(message, { traffic, outside: this.#outside, mostBytes: most }).catch(() => undefined)
  }

  /** The kernel has written the sender's own address over whatever it claimed. */
  #of(remoteAddress: string | undefined): Traffic | undefined {
    const address = parseAddress(remoteAddress ?? '')
    return address === undefined ? undefined : this.#traffic.get(address - parseAddress(firstOuterAddress)!)
  }
}

function listening(server: Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
}
