/** The roles that a member, a key or a service account can have. What each may do is in accounts/roles.ts. */
export const roleNames = ['owner', 'admin', 'developer', 'billing', 'viewer'] as const

export type Role = (typeof roleNames)[number]
