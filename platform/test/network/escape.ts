import { addresses, type Seen } from './fake-internet.ts'

/** Of an attempt: whether anything of it is where it must not be. */
type Arrived = (seen: Seen) => boolean

const packetTo =
  (address: string, protocol?: string, port?: number): Arrived =>
  ({ arrivals }) =>
    arrivals.some(
      (found) =>
        found.address === address &&
        (protocol === undefined || found.protocol === protocol) &&
        (port === undefined || found.port === port),
    )

const textWith =
  (pattern: RegExp): Arrived =>
  ({ events }) =>
    events.some(({ text }) => text !== undefined && pattern.test(text))

const questionFor =
  (name: RegExp, type?: string): Arrived =>
  ({ events }) =>
    events.some(
      (event) =>
        event.kind === 'question' && name.test(event.name ?? '') && (type === undefined || event.type === type),
    )

const { allowed, listed, evil, resolver, metadata, host, ipv6 } = addresses
const anything = (protocol: string, port: number) => packetTo(evil, protocol, port)

/** Ways out that are tried, by their names in probe.py, and where each would be seen. */
export const escapes: Record<string, Arrived> = {
  'direct address': anything('tcp', 80),
  'direct address, odd port': anything('tcp', 4444),
  'allowed address, other port': packetTo(allowed, 'tcp', 22),
  'port beside the allowed one': packetTo(listed, 'tcp', 4444),
  'neighbour of the allowed address': packetTo('93.184.216.36'),
  'TLS without a name': packetTo(allowed, 'tcp', 443),
  'TLS for a forbidden name': packetTo(allowed, 'tcp', 443),
  'TLS for an allowed name, elsewhere': packetTo(evil),
  'TLS with an encrypted hello': packetTo(allowed, 'tcp', 443),
  'no TLS on its port': packetTo(allowed, 'tcp', 443),
  'HTTP for an allowed name, elsewhere': packetTo(evil),
  'HTTP for a forbidden name': packetTo(allowed, 'tcp', 80),
  'HTTP without a name': packetTo(allowed, 'tcp', 80),
  'HTTP with two names': packetTo(allowed, 'tcp', 80),
  'HTTP, absolute address of another name': packetTo(allowed, 'tcp', 80),
  'HTTP CONNECT': packetTo(allowed, 'tcp', 80),
  'HTTP, a second request for another name': textWith(/shared\.example/),
  'HTTP, a request hidden in another': textWith(/evil\.example/),
  'HTTP, taken over by another protocol': textWith(/h2c/),
  'no HTTP on its port': packetTo(allowed, 'tcp', 80),
  metadata: packetTo(metadata),
  'metadata, decimal': packetTo(metadata),
  'metadata, octal': packetTo(metadata),
  'metadata, hexadecimal': packetTo(metadata),
  'metadata, mapped into IPv6': packetTo(metadata),
  'metadata, by an allowed name': packetTo(metadata),
  'metadata, by a redirect': packetTo(metadata),
  'private, by an allowed name': packetTo('10.9.9.9'),
  'private, by rebinding': packetTo('10.9.9.9'),
  'private 10/8': packetTo('10.9.9.9'),
  'private 172.16/12': packetTo('172.16.5.5'),
  'private 192.168/16': packetTo('192.168.77.7'),
  'carrier 100.64/10': packetTo('100.64.1.1'),
  "the host's own address": packetTo(host),
  'name with data, forbidden': questionFor(/evil\.example$/),
  'name with long labels': questionFor(/evil\.example$/),
  'name, TXT of an allowed one': questionFor(/wild\.example$/, 'TXT'),
  'name, NULL of an allowed one': questionFor(/wild\.example$/, 'NULL'),
  'name by TCP, forbidden': questionFor(/evil\.example$/),
  'other resolver, UDP': packetTo(resolver),
  'other resolver, TCP': packetTo(resolver),
  'DNS over TLS': packetTo(resolver),
  'DNS over HTTPS, by address': packetTo(resolver),
  'QUIC to an allowed address': packetTo(allowed, 'udp'),
  UDP: packetTo(evil),
  NTP: packetTo(evil),
  'ping by a datagram socket': packetTo(evil),
  'ping by a raw socket': packetTo(evil),
  'a protocol of its own by a raw socket': packetTo(evil),
  'packets made by hand': packetTo(evil),
  'an address of its own choice': packetTo(evil),
  'packets from elsewhere': packetTo(evil),
  'a route in the packet': packetTo(evil),
  'UDP-Lite': packetTo(evil),
  IPv6: packetTo(ipv6),
  'IPv6, UDP': packetTo(ipv6),
}

/** Attempts that begin with something that is allowed. They are made one by one: nothing at all may arrive of the others. */
export const beginsAllowed = [
  'HTTP, a second request for another name',
  'HTTP, a request hidden in another',
  'HTTP, taken over by another protocol',
  'metadata, by a redirect',
  'private, by rebinding',
]

/** What is allowed and has to arrive. */
export const allowedWays: Record<string, Arrived> = {
  'allowed: HTTP': packetTo(allowed, 'tcp', 80),
  'allowed: TLS': packetTo(allowed, 'tcp', 443),
  'allowed: address and port': packetTo(listed, 'tcp', 5432),
}
