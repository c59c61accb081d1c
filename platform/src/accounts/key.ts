import type { Permission, Role } from './roles.ts'

/** A key or a token of an account, as far as it is kept: what it is itself is told once, when it is made. */
export interface Key {
  id: string
  accountId: string
  /** What E2B's clients take it for; `role` says what it may do. */
  kind: 'key' | 'token'
  name: string
  mask: KeyMask
  /** Of a key of a service account: what that may do now. */
  role: Role
  /** What it is narrowed to; undefined: all that its role may. */
  scopes: Permission[] | undefined
  expiresAt: Date | undefined
  /** Id of who made it. */
  createdBy: string | undefined
  /** The service account whose key it is. */
  serviceId: string | undefined
  createdAt: Date
  lastUsedAt: Date | undefined
}

/** How a key looks to those who may know of it, and not what it is. */
export interface KeyMask {
  prefix: string
  /** Of what comes after the prefix. */
  valueLength: number
  maskedValuePrefix: string
  maskedValueSuffix: string
}

/** With these begin what clients of E2B take for a key and for a token. */
export const keyPrefixes = { key: 'e2b_', token: 'sk_e2b_' } as const

/** Whether it has the form of a key, a token or the admin key. */
export function looksLikeKey(shown: string | undefined): boolean {
  return shown !== undefined && /^(sk_)?e2b_[0-9a-f]{40}$/.test(shown)
}

export function maskOf(secret: string, prefix: string): KeyMask {
  const value = secret.slice(prefix.length)
  return {
    prefix,
    valueLength: value.length,
    maskedValuePrefix: value.slice(0, 2),
    maskedValueSuffix: value.slice(-4),
  }
}
