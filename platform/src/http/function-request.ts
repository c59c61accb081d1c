import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { WarrenError } from '../errors.ts'
import type { HttpInput } from '../functions/invocations/invocation.ts'
import { limitSlowBody } from './slow-body.ts'

/** Takes bodies of every type as the bytes that they are, as long as they come in time. */
export function takeBytes(app: FastifyInstance, bodyLimit: number): void {
  app.addHook('preParsing', ({ raw }, _reply, _payload, done) => {
    limitSlowBody(raw)
    done()
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body))
}

export function bytesOf({ body }: Pick<FastifyRequest, 'body'>): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

/** A request as the function sees it: with this path instead of ours, and with these raw headers. */
export function inputOf(request: FastifyRequest, path: string, rawHeaders: readonly string[]): HttpInput {
  const { headers, method, url, ip } = request
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) pairs.push([rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!])
  const query = url.includes('?') ? url.slice(url.indexOf('?')) : ''
  return { method, url: `http://${headers.host ?? 'localhost'}${path}${query}`, headers: pairs, address: ip }
}

/** Whether a request is for a function at its URL, for one of a route, or for a hook. */
export function isOfFunctions({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
  return /^\/[frh]\//.test(url)
}

export function noWebSockets(): WarrenError {
  return new WarrenError('invalid_request', 'functions answer requests over HTTP, and take no WebSockets', {
    hint: 'Answer with a stream, such as text/event-stream; a sandbox with a port has WebSockets.',
  })
}
