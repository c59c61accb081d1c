import type { Event } from '../events/event.ts'
import type { Principal } from './principal.ts'
import { allows, type Permission } from './roles.ts'

type NounOf<Type> = Type extends `${infer Noun}.${string}` ? Noun : never

/** What somebody must be permitted to hear of events of each noun: what they would need to see the thing itself. */
const permissionOf: Record<NounOf<Event['type']>, Permission> = {
  sandbox: 'sandboxes:read',
  abuse: 'sandboxes:read',
  snapshot: 'snapshots:read',
  template: 'templates:read',
  secret: 'secrets:read',
  volume: 'volumes:read',
  bucket: 'buckets:read',
  object: 'buckets:read',
  function: 'functions:read',
  agent: 'agents:read',
  run: 'agents:read',
  key: 'keys:manage',
  member: 'members:read',
  webhook: 'webhooks:manage',
  quota: 'usage:read',
  invoice: 'billing:read',
  payment: 'billing:read',
  spend_limit: 'billing:read',
}

/** The nouns of the events that `who` may hear of. */
export function nounsHeardBy(who: Pick<Principal, 'role' | 'scopes'>): string[] {
  return Object.entries(permissionOf)
    .filter(([, permission]) => allows(who, permission))
    .map(([noun]) => noun)
}
