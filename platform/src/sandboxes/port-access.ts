import type { Instance } from '../engine/engine.ts'
import type { LiveSandbox } from './live.ts'
import type { Sandbox } from './sandbox.ts'
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

/** Of a running sandbox, or of one whose record is at hand. */
export async function portAccess({ store }: SandboxDeps, of: LiveSandbox | Sandbox): Promise<PortAccess> {
  if (!('instance' in of)) return accessOf(of)
  const live = of
  const before = known.get(live.instance)
  if (before) return before
  const sandbox = await store.find(live.accountId, live.id)
  const access = accessOf(sandbox)
  known.set(live.instance, access)
  return access
}

function accessOf(sandbox: Sandbox | undefined): PortAccess {
  return portAccesses.find((name) => name === sandbox?.metadata[portAccessLabel]) ?? 'key'
}
