import { WarrenError } from '../errors.ts'
import type { Event } from './event.ts'

/** Every type there is: the compiler refuses one that is missing here. */
const known = {
  'sandbox.created': true,
  'sandbox.stopped': true,
  'sandbox.failed': true,
  'sandbox.timeout_changed': true,
  'sandbox.network_changed': true,
  'sandbox.paused': true,
  'sandbox.resumed': true,
  'sandbox.forked': true,
  'snapshot.created': true,
  'snapshot.deleted': true,
  'template.built': true,
  'template.build_failed': true,
  'template.deleted': true,
  'secret.created': true,
  'secret.updated': true,
  'secret.deleted': true,
  'volume.created': true,
  'volume.deleted': true,
  'bucket.created': true,
  'bucket.deleted': true,
  'object.created': true,
  'object.removed': true,
  'function.deployed': true,
  'function.traffic_changed': true,
  'function.alias_changed': true,
  'function.deleted': true,
  'agent.created': true,
  'agent.updated': true,
  'agent.deleted': true,
  'run.started': true,
  'run.suspended': true,
  'run.continued': true,
  'run.completed': true,
  'run.stopped': true,
  'run.failed': true,
  'run.cancelled': true,
  'key.created': true,
  'key.revoked': true,
  'member.added': true,
  'member.changed': true,
  'member.removed': true,
  'webhook.created': true,
  'webhook.rotated': true,
  'webhook.disabled': true,
  'webhook.deleted': true,
  'quota.changed': true,
  'abuse.detected': true,
  'invoice.issued': true,
  'invoice.credited': true,
  'invoice.paid': true,
  'payment.succeeded': true,
  'payment.failed': true,
  'spend_limit.reached': true,
} as const satisfies Record<Event['type'], true>

export const eventTypes = Object.keys(known) as Event['type'][]

/** Whether `pattern` (a type, all of a noun such as `sandbox.*`, or `*`) stands for this type. */
export function matchesType(pattern: string, type: string): boolean {
  return pattern === '*' || pattern === type || (pattern.endsWith('.*') && type.startsWith(pattern.slice(0, -1)))
}

/** Throws `invalid_request` for a pattern that no type of event fits. */
export function checkEventTypes(patterns: readonly string[]): void {
  for (const pattern of patterns)
    if (!eventTypes.some((type) => matchesType(pattern, type)))
      throw new WarrenError('invalid_request', `there is no event of type "${pattern}"`, {
        hint: `There are: ${eventTypes.join(', ')}.`,
      })
}
