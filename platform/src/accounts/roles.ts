import type { Role } from '../config/role-names.ts'
import { WarrenError } from '../errors.ts'
import type { Principal } from './principal.ts'

/** Everything that can be permitted. Each route names one of these; nothing else decides who may call it. */
export const permissions = {
  'sandboxes:read': 'see sandboxes: their state, figures and logs',
  'sandboxes:write': 'start, pause, change and end sandboxes',
  'sandboxes:exec': 'work inside: programs, terminals, files, ports',
  'snapshots:read': 'see snapshots',
  'snapshots:write': 'make, export, import and delete snapshots',
  'templates:read': 'see templates',
  'templates:write': 'build and delete templates',
  'volumes:read': 'see volumes',
  'volumes:write': 'make and delete volumes',
  'buckets:read': 'read objects',
  'buckets:write': 'write and delete objects',
  'functions:read': 'see functions',
  'functions:write': 'deploy and delete functions',
  'functions:invoke': 'call functions',
  'agents:read': 'see agents and what they do',
  'agents:write': 'start, steer and end agents',
  'secrets:read': 'see which secrets there are',
  'secrets:manage': 'set and delete secrets',
  'webhooks:manage': 'say where events are sent',
  'usage:read': 'see what was used',
  'billing:read': 'see plans, invoices and balances',
  'billing:manage': 'choose plans and pay',
  'keys:manage': 'make and revoke keys and service accounts',
  'members:read': 'see the organisation and its members',
  'members:manage': 'invite, change and remove members',
  'audit:read': 'read the audit log',
  'org:manage': 'change the organisation itself',
  'platform:manage': 'make organisations, set their limits, reset passwords: the operator alone',
} as const

export type Permission = keyof typeof permissions

const all = Object.keys(permissions) as Permission[]
const ending = (...verbs: string[]) => all.filter((name) => verbs.some((verb) => name.endsWith(`:${verb}`)))
const without = (names: readonly Permission[], ...left: Permission[]) => names.filter((name) => !left.includes(name))

const ofOrganisation = without(all, 'platform:manage')

/** What a member, a key or a service account may do. */
export const roles = {
  /** Everything in the organisation. */
  owner: ofOrganisation,
  /** Everything but the organisation itself and its money. */
  admin: without(ofOrganisation, 'org:manage', 'billing:manage'),
  /** The work: sandboxes and all that is made of and for them. */
  developer: without(
    [...ending('read', 'write', 'exec', 'invoke'), 'secrets:manage', 'webhooks:manage'],
    'billing:read',
    'audit:read',
  ),
  billing: ['usage:read', 'billing:read', 'billing:manage', 'members:read'],
  /** Looks on, and does not see inside. */
  viewer: without(ending('read'), 'billing:read', 'audit:read', 'secrets:read'),
} as const satisfies Record<Role, readonly Permission[]>

export type { Role }
export const permissionNames = all

/** What `principal` may do: what its role may, as far as its scopes do not narrow that. */
export function permissionsOf({ role, scopes }: Pick<Principal, 'role' | 'scopes'>): readonly Permission[] {
  const ofRole: readonly Permission[] = role === 'operator' ? all : roles[role]
  return scopes ? ofRole.filter((name) => scopes.includes(name)) : ofRole
}

export function allows(principal: Pick<Principal, 'role' | 'scopes'>, permission: Permission): boolean {
  const { role, scopes } = principal
  if (scopes && !scopes.includes(permission)) return false
  return role === 'operator' || (roles[role] as readonly Permission[]).includes(permission)
}

/** Throws `forbidden` where `principal` may not do what needs `permission`. */
export function authorize(principal: Principal, permission: Permission): void {
  if (allows(principal, permission)) return
  const { kind, role, scopes } = principal
  const why =
    scopes && allows({ role, scopes: undefined }, permission) ? 'its scopes leave out' : `its role ${role} lacks`
  throw new WarrenError('forbidden', `this ${kind} may not do that: ${why} the permission "${permission}"`, {
    details: { permission, role },
  })
}

/** Throws `forbidden` where somebody would hand on more than they have themselves. */
export function authorizeGrant(principal: Principal, granted: Pick<Principal, 'role' | 'scopes'>): void {
  const own = permissionsOf(principal)
  const beyond = permissionsOf(granted).filter((name) => !own.includes(name))
  if (beyond.length === 0) return
  throw new WarrenError('forbidden', `nobody can give more than they have: ${beyond.join(', ')}`, {
    details: { permissions: beyond },
  })
}
