import type { IncomingHttpHeaders } from 'node:http'
import type { Credentials } from '../accounts/authenticate.ts'

/** Browsers cannot set headers on a WebSocket, and a key in an address ends up in logs: so it goes as a subprotocol. */
export const keyProtocolPrefix = 'warren.key.'

/** What the request shows to say who sent it: `X-API-Key`, else `Authorization: Bearer`, else the WebSocket subprotocol. */
export function credentialsOf(headers: IncomingHttpHeaders): Credentials {
  return { key: apiKeyHeader(headers) ?? bearerToken(headers) ?? keyProtocol(headers) }
}

/** The headers of `headers` that carried our key: not for the eyes of the program behind a port. */
export function credentialHeaders(headers: IncomingHttpHeaders): Set<string> {
  if (apiKeyHeader(headers) === undefined && bearerToken(headers) !== undefined)
    return new Set(['x-api-key', 'authorization'])
  return new Set(['x-api-key'])
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
