import type { FastifyRequest } from 'fastify'
import { WarrenError } from '../errors.ts'

/** The value of a header that is given once and is not long. */
export function headerOf({ headers }: Pick<FastifyRequest, 'headers'>, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value.length <= 200 ? value : undefined
}

/** What the headers of a call say of its key. Throws `invalid_request`. */
export function idempotencyOf(
  request: Pick<FastifyRequest, 'headers'>,
): { key: string; scope: string | undefined; seconds: number | undefined } | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key !== 'string' || key.length === 0 || key.length > 200)
    throw new WarrenError('invalid_request', 'an Idempotency-Key has 1 to 200 characters')
  const ttl = headerOf(request, 'idempotency-ttl')
  const seconds = ttl === undefined ? undefined : Number(ttl)
  if (seconds !== undefined && !(seconds >= 1 && seconds <= 30 * 86_400))
    throw new WarrenError('invalid_request', `Idempotency-Ttl is a number of seconds from 1 to 2592000, not "${ttl}"`)
  return { key, scope: headerOf(request, 'idempotency-scope'), seconds }
}
