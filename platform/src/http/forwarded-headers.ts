import type { IncomingMessage } from 'node:http'

/** They are about one connection, not about the message (RFC 9110, 7.6.1). */
const hopByHop = new Set([
  'connection',
  'expect', // answered here already
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** For whom a request is passed on, where nobody before us said so. */
export function forwardedFor({ headers, socket }: IncomingMessage): string[] {
  const { encrypted } = socket as { encrypted?: boolean }
  const added = {
    'x-forwarded-host': headers.host ?? '',
    'x-forwarded-proto': encrypted ? 'https' : 'http',
    'x-forwarded-for': socket.remoteAddress ?? '',
  }
  return Object.entries(added)
    .filter(([name]) => headers[name] === undefined)
    .flat()
}

/** What is about the message, for whoever it is passed on to. */
export function withoutHopByHop(rawHeaders: readonly string[]): string[] {
  const pairs = pairsOf(rawHeaders)
  // `Connection` may name further headers that are only for the next hop.
  const listed = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(','))
  const dropped = new Set(listed.map((name) => name.trim()))
  return pairs.filter(([name]) => !hopByHop.has(name.toLowerCase()) && !dropped.has(name.toLowerCase())).flat()
}

export function pairsOf(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) pairs.push([rawHeaders[at]!, rawHeaders[at + 1]!])
  return pairs
}
