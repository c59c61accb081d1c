import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'

/** Requests that another node of ours passed on, and who sent them to it. */
const passedOn = new WeakMap<object, string>()

export function passOnFor(request: IncomingMessage, address: string): void {
  passedOn.set(request, address)
}

/** Whether another node of ours passed a request on. */
export function isPassedOn(request: object): boolean {
  return passedOn.has(request)
}

/** The ranges whose machines are believed when they say for whom they ask. */
export function trustedProxies(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/**
 * Who sent a request: the other end of the connection, or where that is a trusted proxy, the last one in `X-Forwarded-For` that
 * is none. What stands before that was written by the client and says nothing.
 */
export function clientAddress(request: Pick<IncomingMessage, 'headers' | 'socket'>, trusted: BlockList): string {
  const { headers, socket } = request
  const given = passedOn.get(request)
  if (given !== undefined) return given
  let address = plain(socket.remoteAddress ?? '')
  const forwarded = headers['x-forwarded-for']
  if (forwarded === undefined) return address
  const hops = String(forwarded).split(',')
  while (isTrusted(address, trusted)) {
    const before = plain(hops.pop()?.trim() ?? '')
    if (isIP(before) === 0) break
    address = before
  }
  return address
}

export function isTrusted(address: string, trusted: BlockList): boolean {
  const version = isIP(address)
  return version !== 0 && trusted.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

/** An address of IPv4 as such, also where the socket is one of both. */
export function plain(address: string): string {
  return address.toLowerCase().startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
