/**
 * Who may reach the ports of a sandbox at its host names: those with the key of its owner; also those with the token of
 * its traffic; everybody who knows its address. It is said by a label, because labels are set once, at the start, and
 * are seen by whoever looks at the sandbox.
 */
export const portAccesses = ['key', 'token', 'public'] as const
export type PortAccess = (typeof portAccesses)[number]
export const portAccessLabel = 'warren.ports'

/** With the value `public`, whoever knows the id acts inside, without any token: only who makes a sandbox can want that. */
export const insideAccessLabel = 'warren.inside'
