import type { IncomingHttpHeaders } from 'node:http'
import type { Credentials } from '../accounts/authenticate.ts'

/** Browsers cannot set headers on a WebSocket, and a key in an address ends up in logs: so it goes as a subprotocol. */
export const keyProtocolPrefix = 'warren.key.'

/** What the request shows to say who sent it: `X-API-Key`, else `Authorization: Bearer`, else the WebSocket subprotocol. */
export function credentialsOf(headers: IncomingHttpHeaders): Credentials {
  return { key: apiKeyHeader(headers) ?? bearerToken(headers) ?? keyProtocol(headers) }
}

/**
 * `rawHeaders` (name, value, name, value …) without our key: not for the eyes of the program behind a port. It may stand in
 * more than one header; an `Authorization` that carries something else is the program's own.
 */
export function withoutCredentials(headers: IncomingHttpHeaders, rawHeaders: readonly string[]): string[] {
  const { key } = credentialsOf(headers)
  const kept: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    const lowerName = name.toLowerCase()
    const value = lowerName === 'sec-websocket-protocol' ? withoutKeyProtocol(rawHeaders[at + 1]!) : rawHeaders[at + 1]!
    if (lowerName === 'x-api-key' || value === '' || (key !== undefined && value.includes(key))) continue
    kept.push(name, value)
  }
  return kept
}

function withoutKeyProtocol(protocols: string): string {
  const kept = protocols.split(',').filter((protocol) => !protocol.trim().startsWith(keyProtocolPrefix))
  return kept.join(',').trim()
}

function apiKeyHeader(headers: IncomingHttpHeaders): string | undefined {
  const value = headers['x-api-key']
  return (Array.isArray(value) ? value[0] : value)?.trim() || undefined
}

function bearerToken({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^bearer +(\S+)\s*$/i.exec(authorization ?? '')?.[1]
}

function keyProtocol(headers: IncomingHttpHeaders): string | undefined {
  const offered = headers['sec-websocket-protocol']?.split(',') ?? []
  const found = offered.map((protocol) => protocol.trim()).find((protocol) => protocol.startsWith(keyProtocolPrefix))
  return found?.slice(keyProtocolPrefix.length)
}
