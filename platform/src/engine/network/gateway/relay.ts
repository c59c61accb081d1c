import { connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { type AddressRange, formatAddress, parseAddress } from '../addresses.ts'
import { decideConnection, decideName } from '../decide.ts'
import { plainName } from '../rules.ts'
import { Throttle } from './bucket.ts'
import { readClientHello } from './client-hello.ts'
import type { Names } from './names.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { Connection, Traffic } from './traffic.ts'

export interface Outside {
  opened: readonly AddressRange[]
  own: OwnAddresses
  names: Names
}

/** Connections that one sandbox may have at once. */
const mostConnections = 1024
const connectMs = 15_000
/** How long a program may take to say whom it wants. */
const helloMs = 10_000
const keepAliveMs = 60_000

/**
 * Serves one connection from inside. Its local address is where it was going. Until it is decided that it may, nothing is
 * sent anywhere: not even the attempt to connect.
 */
export async function relay(
  traffic: Traffic,
  inside: Socket,
  { outside, serveHttp }: { outside: Outside; serveHttp: (connection: Connection) => void },
): Promise<void> {
  inside.on('error', () => {})
  const address = parseAddress(inside.localAddress ?? '')
  const port = inside.localPort
  if (address === undefined || !port) return void inside.resetAndDestroy()
  const connection = traffic.begin(inside, address, port)
  if (traffic.connections.size > mostConnections) return traffic.refuse(connection, 'too many connections at once')

  const verdict = decideConnection(traffic.rules, { address, port, names: traffic.namesOf(address) }, outside.opened)
  if (!verdict.allowed) return traffic.refuse(connection, verdict.reason)
  if (await outside.own.has(formatAddress(address)))
    return traffic.refuse(connection, 'the address is of the host itself')
  if (inside.destroyed) return
  inside.setKeepAlive(true, keepAliveMs)
  if (verdict.inspect === 'http') return serveHttp(connection)
  const said = verdict.inspect === 'tls' ? await readName(traffic, connection, outside) : Buffer.alloc(0)
  // The policy may have changed while it was looked at: then the connection has been cut.
  if (!said || inside.destroyed) return
  join(traffic, connection, said)
}

/** Whether the connection may be for `name`: it must be allowed on that port and stand for that address. */
export async function mayBeFor(
  traffic: Traffic,
  { address, port }: Connection,
  { name, names }: { name: string; names: Names },
): Promise<string | undefined> {
  if (!decideName(traffic.rules, name, port)) return `the name ${name} is not allowed`
  if (traffic.namesOf(address).includes(name)) return undefined
  const found = await names.addressesOf(name).catch(() => [])
  if (!decideName(traffic.rules, name, port)) return `the name ${name} is not allowed`
  return found.some((answer) => answer.address === address) ? undefined : `${name} does not stand for the address`
}

/** What TLS said so far, once it is known that it may go on; undefined when it may not. */
async function readName(traffic: Traffic, connection: Connection, { names }: Outside): Promise<Buffer | undefined> {
  const said: Buffer[] = []
  const { inside } = connection
  const timer = setTimeout(() => traffic.refuse(connection, 'it did not say whom it is for'), helloMs)
  try {
    for (;;) {
      const chunk = await nextChunk(inside)
      if (!chunk) return void inside.destroy()
      said.push(chunk)
      const hello = readClientHello(Buffer.concat(said))
      if (!hello.complete) continue
      if (!hello.valid) return void traffic.refuse(connection, 'it does not begin with TLS')
      const name = hello.name === undefined ? undefined : plainName(hello.name)
      if (name) connection.name = name
      if (hello.encrypted) return void traffic.refuse(connection, 'it hides whom it is for (encrypted client hello)')
      if (!name) return void traffic.refuse(connection, 'it does not say whom it is for (no SNI)')
      const reason = await mayBeFor(traffic, connection, { name, names })
      if (!reason) return Buffer.concat(said)
      return void traffic.refuse(connection, reason)
    }
  } finally {
    clearTimeout(timer)
  }
}

/** Undefined at the end. */
function nextChunk(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const take = () => {
      const chunk = socket.read() as Buffer | null
      if (chunk) done(chunk)
    }
    const ended = () => done(undefined)
    const done = (chunk: Buffer | undefined) => {
      socket.off('readable', take).off('end', ended).off('close', ended)
      resolve(chunk)
    }
    socket.on('readable', take).on('end', ended).on('close', ended)
    if (socket.destroyed) ended()
    else take()
  })
}

function join(traffic: Traffic, connection: Connection, said: Buffer): void {
  const { inside, address, port } = connection
  const outer = connectTo(address, port)
  traffic.join(connection, outer)
  const giveUp = setTimeout(() => outer.destroy(new Error('no answer')), connectMs)
  outer.once('connect', () => clearTimeout(giveUp))
  outer.once('close', () => clearTimeout(giveUp))
  if (said.length > 0) outer.write(said)
  splice(traffic, inside, outer)
}

export function connectTo(address: number, port: number): Socket {
  const socket = connect({ host: formatAddress(address), port, family: 4, allowHalfOpen: true })
  return socket.setNoDelay(true).setKeepAlive(true, keepAliveMs)
}

/** Passes bytes both ways. When either end breaks, so does the other. */
export function splice(traffic: Traffic, inside: Socket, outer: Socket): void {
  const broken = (error?: NodeJS.ErrnoException | null) => {
    if (!error) return
    outer.resetAndDestroy()
    inside.resetAndDestroy()
  }
  inside.setNoDelay(true)
  pipeline(inside, new Throttle(traffic.upload), outer, broken)
  pipeline(outer, new Throttle(traffic.download), inside, broken)
}
