import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type AddressRange, formatAddress } from '../addresses.ts'
import { closedBecause } from '../floor.ts'
import { type OutgoingProxy, proxyPlace } from '../outgoing.ts'
import type { Certificates } from './certificates.ts'
import type { Names } from './names.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { Connection, Traffic } from './traffic.ts'

export interface Outside {
  opened: readonly AddressRange[]
  own: OwnAddresses
  names: Names
  certificates: Certificates
}

const keepAliveMs = 60_000
const answerMs = 15_000

/** What stands between a sandbox and the server it wants, in words for its log. */
export class Unreached extends Error {
  override readonly name = 'Unreached'
}

/** A connection to where `connection` goes: straight, or by the proxy of its owner. Rejects with `Unreached`. */
export async function openUpstream(traffic: Traffic, connection: Connection, outside: Outside): Promise<Socket> {
  const proxy = traffic.outgoing?.proxy
  if (!proxy) {
    const socket = connectTo(connection.address, connection.port)
    traffic.join(connection, socket)
    return socket
  }
  const { port } = proxyPlace(proxy)
  const socket = connectTo(await proxyAddress(proxy, outside), port)
  traffic.join(connection, socket)
  if (connection.inside.destroyed) socket.destroy()
  const timer = setTimeout(() => socket.destroy(new Unreached('the proxy did not answer')), answerMs)
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(answerMs) })
    await askProxy(socket, proxy, connection)
    return socket
  } catch (error) {
    socket.destroy()
    throw error instanceof Unreached ? error : new Unreached(`the proxy ${proxy.address} cannot be reached`)
  } finally {
    clearTimeout(timer)
  }
}

/** Speaks TLS with the server over `socket`, once it has shown that it is `name`. Rejects with `Unreached`. */
export async function secure(
  socket: Socket,
  { name, protocols }: { name: string; protocols: string[] },
  { trusted }: Certificates,
): Promise<TLSSocket> {
  const secured = connectTls({
    socket,
    servername: name,
    ALPNProtocols: protocols,
    ca: [...trusted],
    minVersion: 'TLSv1.2',
  })
  try {
    await once(secured, 'secureConnect', { signal: AbortSignal.timeout(answerMs) })
    return secured
  } catch (error) {
    secured.destroy()
    const { code = '' } = error as NodeJS.ErrnoException
    const isConnection = /^(E(CONN|HOST|NET|TIMEDOUT|PIPE)|ABORT_ERR$)/.test(code) || code === ''
    throw new Unreached(
      isConnection ? `${name} cannot be reached` : `the certificate of ${name} is not valid (${code})`,
    )
  }
}

function connectTo(address: number, port: number): Socket {
  const socket = connect({ host: formatAddress(address), port, family: 4, allowHalfOpen: true })
  return socket.setNoDelay(true).setKeepAlive(true, keepAliveMs)
}

/** The floor holds for it as for everything else. */
async function proxyAddress(proxy: OutgoingProxy, { opened, own, names }: Outside): Promise<number> {
  const { host, range } = proxyPlace(proxy)
  const found = range ? [range.first] : (await names.addressesOf(host).catch(() => [])).map(({ address }) => address)
  const [address] = found
  if (address === undefined) throw new Unreached(`the proxy ${host} has no address`)
  const closed = closedBecause(address, opened)
  if (closed) throw new Unreached(`the address of the proxy ${closed}`)
  if (await own.has(formatAddress(address))) throw new Unreached('the address of the proxy is of the host itself')
  return address
}

const version = 5
const methods = { none: 0, password: 2 }
const addressLengths: Record<number, number> = { 1: 4, 4: 16 }

/** SOCKS 5 (RFC 1928, 1929): what follows on `socket` is for the address that `connection` wants. */
async function askProxy(
  socket: Socket,
  { username = '', password = '' }: OutgoingProxy,
  to: Connection,
): Promise<void> {
  const offered = username ? [methods.none, methods.password] : [methods.none]
  socket.write(Buffer.from([version, offered.length, ...offered]))
  const chosen = await take(socket, 2)
  if (chosen[0] !== version || !offered.includes(chosen[1]!))
    throw new Unreached(username ? 'the proxy does not take this user' : 'the proxy wants a user and a password')
  if (chosen[1] === methods.password) {
    const [user, secret] = [Buffer.from(username), Buffer.from(password)]
    socket.write(Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([secret.length]), secret]))
    if ((await take(socket, 2))[1] !== 0) throw new Unreached('the proxy does not take this user')
  }
  const request = Buffer.from([version, 1, 0, 1, 0, 0, 0, 0, 0, 0])
  request.writeUInt32BE(to.address, 4)
  request.writeUInt16BE(to.port, 8)
  socket.write(request)
  const [, code, , kind = 0] = await take(socket, 4)
  if (code !== 0) throw new Unreached(`the proxy refused (${code})`)
  const length = kind === 3 ? (await take(socket, 1))[0]! : addressLengths[kind]
  if (length === undefined) throw new Unreached('the proxy does not speak SOCKS 5')
  await take(socket, length + 2)
}

/** The next `length` bytes; what comes after them stays in the socket. */
function take(socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      socket.off('readable', look).off('end', ended).off('error', failed).off('close', ended)
      done()
    }
    const look = () => {
      const bytes = socket.read(length) as Buffer | null
      if (bytes?.length === length) settle(() => resolve(bytes))
      else if (bytes) settle(() => reject(new Unreached('the proxy broke off')))
    }
    const ended = () => settle(() => reject(new Unreached('the proxy broke off')))
    const failed = (error: Error) => settle(() => reject(error))
    socket.on('readable', look).on('end', ended).on('error', failed).on('close', ended)
    if (socket.destroyed) ended()
    else look()
  })
}
