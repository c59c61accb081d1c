import type { InContext, SandboxDeps } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'

/** Ends a context and the processes it has started. */
export async function removeContext(deps: SandboxDeps, { account, id, contextId }: InContext): Promise<void> {
  const { guest } = await wokenInstance(deps, account, id)
  await guest.contexts.remove(contextId)
}
