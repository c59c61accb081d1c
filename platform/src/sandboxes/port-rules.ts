import type { Instance } from '../engine/engine.ts'
import type { LiveSandbox } from './live.ts'
import { insideAccessLabel, type PortAccess, portAccesses, portAccessLabel } from './port-access.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

export const maskHostLabel = 'warren.ports.host'
export const httpsPortsLabel = 'warren.ports.https'

/** Stands for the number of the port, as clients write it. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text itself
export const portPlaceholder = '${PORT}'

/** How the ports of a sandbox are reached. Said by labels, as the access is. */
export interface PortRules {
  access: PortAccess
  /** Whether commands are run and files are read and written without a token. */
  isInsideOpen: boolean
  /** What programs inside see as the Host of a request, with `portPlaceholder` where the number of the port belongs. */
  host: string | undefined
  /** Ports that speak TLS inside. */
  https: number[]
}

const known = new WeakMap<Instance, PortRules>()

/** Of a running sandbox, or of one whose record is at hand. */
export async function portRules({ store }: SandboxDeps, of: LiveSandbox | Sandbox): Promise<PortRules> {
  if (!('instance' in of)) return rulesOf(of.metadata)
  const before = known.get(of.instance)
  if (before) return before
  const rules = rulesOf((await store.find(of.accountId, of.id))?.metadata ?? {})
  known.set(of.instance, rules)
  return rules
}

function rulesOf(metadata: Record<string, string>): PortRules {
  return {
    access: portAccesses.find((name) => name === metadata[portAccessLabel]) ?? 'key',
    isInsideOpen: isInsideOpen(metadata),
    host: metadata[maskHostLabel],
    https: httpsPortsOf(metadata),
  }
}

export function isInsideOpen(metadata: Record<string, string>): boolean {
  return metadata[insideAccessLabel] === 'public'
}

export function httpsPortsOf(metadata: Record<string, string>): number[] {
  return (metadata[httpsPortsLabel] ?? '').split(',').map(Number).filter(Boolean)
}
