import type { FastifyRequest } from 'fastify'
import type { Client } from '../accounts/user.ts'

/** Where somebody signs in from. */
export function clientOf({ address, headers, id }: FastifyRequest): Client {
  return { address, agent: headers['user-agent'] ?? '', requestId: id }
}
