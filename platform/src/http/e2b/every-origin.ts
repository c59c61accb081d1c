import type { IncomingMessage, ServerResponse } from 'node:http'

/** Web pages may call from anywhere: it is the token that gives the right. */
export function allowEveryOrigin(request: IncomingMessage, response: ServerResponse, methods: string): void {
  if (request.headers.origin === undefined) return
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('access-control-expose-headers', '*')
  if (request.method !== 'OPTIONS') return
  response.setHeader('access-control-allow-methods', methods)
  // A star does not stand for `authorization`.
  response.setHeader('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '*')
  response.setHeader('access-control-max-age', '7200')
}
