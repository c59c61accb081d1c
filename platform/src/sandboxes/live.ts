import type { Instance } from '../engine/engine.ts'
import type { SandboxDeps } from './sandboxes.ts'

export interface LiveSandbox {
  id: string
  accountId: string
  instance: Instance
}

/**
 * A running sandbox, whoever owns it. Only for callers that have shown a right to it by other means than a key: a token
 * or a signature made for this sandbox, or that its ports are open to everybody.
 */
export function liveSandbox({ live }: SandboxDeps, id: string): LiveSandbox | undefined {
  const found = live.get(id)
  return found && { id, ...found }
}
