import type { FastifyRequest } from 'fastify'
import type { Client } from '../accounts/user.ts'

/** Where somebody signs in from. */
export function clientOf({ ip, headers, id }: FastifyRequest): Client {
  return { address: ip, agent: headers['user-agent'] ?? '', requestId: id }
}
