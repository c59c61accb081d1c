import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { formatAddress, parseAddress } from '../addresses.ts'
import { decideConnection, decideName } from '../decide.ts'
import { isLookedInto, looksInto } from '../outgoing.ts'
import { plainName } from '../rules.ts'
import { Throttle } from './bucket.ts'
import { readClientHello } from './client-hello.ts'
import { isDemo, serveDemo } from './demo.ts'
import type { Secured } from './http-relay.ts'
import type { Names } from './names.ts'
import type { Connection, Traffic } from './traffic.ts'
import { type Outside, openUpstream } from './upstream.ts'

interface Servers {
  outside: Outside
  /** Serves plain HTTP. */
  serveHttp: (connection: Connection) => void
  /** Serves HTTP inside TLS for `name`, which the sandbox has begun. */
  serveSecured: (connection: Connection, secured: Secured) => void
}

/** Connections that one sandbox may have at once. */
const mostConnections = 1024
const connectMs = 15_000
/** How long a program may take to say whom it wants. */
const helloMs = 10_000
const keepAliveMs = 60_000
/** Where requests are looked into, if they are. */
const securePort = 443

/**
 * Serves one connection from inside. Its local address is where it was going. Until it is decided that it may, nothing is
 * sent anywhere: not even the attempt to connect.
 */
export async function relay(
  traffic: Traffic,
  inside: Socket,
  { outside, serveHttp, serveSecured }: Servers,
): Promise<void> {
  inside.on('error', () => {})
  const address = parseAddress(inside.localAddress ?? '')
  const port = inside.localPort
  if (address === undefined || !port) return void inside.resetAndDestroy()
  const connection = traffic.begin(inside, address, port)
  if (traffic.connections.size > mostConnections) return traffic.refuse(connection, 'too many connections at once')

  if (isDemo(connection)) return serveDemo(traffic, connection)

  const verdict = decideConnection(traffic.rules, { address, port, names: traffic.namesOf(address) }, outside.opened)
  if (!verdict.allowed) return traffic.refuse(connection, verdict.reason)
  if (await outside.own.has(formatAddress(address)))
    return traffic.refuse(connection, 'the address is of the host itself')
  if (inside.destroyed) return
  inside.setKeepAlive(true, keepAliveMs)
  if (verdict.inspect === 'http') return serveHttp(connection)
  const mustSay = verdict.inspect === 'tls'
  const looks = mustSay || (port === securePort && looksInto(traffic.outgoing))
  const hello = looks ? await readHello(traffic, connection, { outside, mustSay }) : { said: Buffer.alloc(0) }
  // The policy may have changed while it was looked at: then the connection has been cut.
  if (!hello || inside.destroyed) return
  if (!hello.lookInto) return join(traffic, connection, { said: hello.said, outside })
  inside.unshift(hello.said)
  serveSecured(connection, { name: hello.lookInto, offersHttp2: hello.offersHttp2 === true })
}

/** Whether the connection may be for `name`: it must be allowed on that port and stand for that address. */
export async function mayBeFor(
  traffic: Traffic,
  connection: Connection,
  { name, names }: { name: string; names: Names },
): Promise<string | undefined> {
  const isAllowed = () => decideName(traffic.rules, name, connection.port)
  const notAllowed = `the name ${name} is not allowed`
  if (!isAllowed()) return notAllowed
  const reason = await standsFor(traffic, connection, { name, names })
  return isAllowed() ? reason : notAllowed
}

/** Why `name` is not one of the address that is connected to. */
async function standsFor(
  traffic: Traffic,
  { address }: Connection,
  { name, names }: { name: string; names: Names },
): Promise<string | undefined> {
  if (traffic.namesOf(address).includes(name)) return undefined
  const found = await names.addressesOf(name).catch(() => [])
  return found.some((answer) => answer.address === address) ? undefined : `${name} does not stand for the address`
}

interface Hello {
  /** What TLS said so far. */
  said: Buffer
  /** The server's name, where what is said to it is looked into. */
  lookInto?: string
  offersHttp2?: boolean
}

/**
 * Reads whom TLS is for. With `mustSay` it has to be said, and to be allowed; without, what does not say it goes on as it is.
 * Undefined when the connection may not go on.
 */
async function readHello(
  traffic: Traffic,
  connection: Connection,
  { outside: { names }, mustSay }: { outside: Outside; mustSay: boolean },
): Promise<Hello | undefined> {
  const chunks: Buffer[] = []
  const { inside } = connection
  const late = AbortSignal.timeout(helloMs)
  const unsaid = (reason: string): Hello | undefined =>
    mustSay ? void traffic.refuse(connection, reason) : { said: Buffer.concat(chunks) }
  for (;;) {
    const chunk = await nextChunk(inside, late)
    if (!chunk && late.aborted) return unsaid('it did not say whom it is for')
    if (!chunk) return void inside.destroy()
    chunks.push(chunk)
    const said = Buffer.concat(chunks)
    const hello = readClientHello(said)
    if (!hello.complete) continue
    if (!hello.valid) return unsaid('it does not begin with TLS')
    const name = hello.name === undefined ? undefined : plainName(hello.name)
    if (name) connection.name = name
    const lookInto = name !== undefined && traffic.outgoing !== undefined && isLookedInto(traffic.outgoing, name)
    // Where it is looked into, there is nothing to hide: what is encrypted for another server cannot be read here.
    if (hello.encrypted && !lookInto) return unsaid('it hides whom it is for (encrypted client hello)')
    if (!name) return unsaid('it does not say whom it is for (no SNI)')
    if (!mustSay && !lookInto) return { said }
    const reason = await (mustSay ? mayBeFor : standsFor)(traffic, connection, { name, names })
    if (reason) return void traffic.refuse(connection, reason)
    return lookInto ? { said, lookInto: name, offersHttp2: hello.offersHttp2 } : { said }
  }
}

/** Undefined at the end, and when `signal` is over. */
function nextChunk(socket: Socket, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const take = () => {
      const chunk = socket.read() as Buffer | null
      if (chunk) done(chunk)
    }
    const ended = () => done(undefined)
    const done = (chunk: Buffer | undefined) => {
      socket.off('readable', take).off('end', ended).off('close', ended)
      signal.removeEventListener('abort', ended)
      resolve(chunk)
    }
    socket.on('readable', take).on('end', ended).on('close', ended)
    signal.addEventListener('abort', ended)
    if (socket.destroyed || signal.aborted) ended()
    else take()
  })
}

async function join(
  traffic: Traffic,
  connection: Connection,
  { said, outside }: { said: Buffer; outside: Outside },
): Promise<void> {
  const { inside } = connection
  const outer = await openUpstream(traffic, connection, outside).catch((error: Error) =>
    traffic.refuse(connection, error.message),
  )
  if (!outer) return
  if (inside.destroyed) return void outer.destroy()
  if (outer.connecting) {
    const giveUp = setTimeout(() => outer.destroy(new Error('no answer')), connectMs)
    outer.once('connect', () => clearTimeout(giveUp))
    outer.once('close', () => clearTimeout(giveUp))
  }
  if (said.length > 0) outer.write(said)
  splice(traffic, inside, outer)
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
