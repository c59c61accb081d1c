import { runningInstance } from '../running.ts'
import type { InContext, SandboxDeps } from '../sandboxes.ts'

/** Ends a context and the processes it has started. */
export async function removeContext(deps: SandboxDeps, { account, id, contextId }: InContext): Promise<void> {
  const { guest } = await runningInstance(deps, account, id)
  await guest.contexts.remove(contextId)
}
