import type { Instance } from '../engine/engine.ts'
import type { LiveSandbox } from './live.ts'
import type { SandboxDeps } from './sandboxes.ts'

/**
 * Who may reach the ports of a sandbox at its host names: those with the key of its owner; also those with the token of
 * its traffic; everybody who knows its address. It is said by a label, because labels are set once, at the start, and
 * are seen by whoever looks at the sandbox.
 */
export const portAccesses = ['key', 'token', 'public'] as const
export type PortAccess = (typeof portAccesses)[number]
export const portAccessLabel = 'warren.ports'

const known = new WeakMap<Instance, PortAccess>()

export async function portAccess({ store }: SandboxDeps, live: LiveSandbox): Promise<PortAccess> {
  const before = known.get(live.instance)
  if (before) return before
  const sandbox = await store.find(live.accountId, live.id)
  const access = portAccesses.find((name) => name === sandbox?.metadata[portAccessLabel]) ?? 'key'
  known.set(live.instance, access)
  return access
}
