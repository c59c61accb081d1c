import type { InContext, SandboxDeps } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'

/** Forgets what a context has been told: what it runs is ended, and the next execution has a new interpreter. */
export async function restartContext(deps: SandboxDeps, { account, id, contextId }: InContext): Promise<void> {
  const { guest } = await wokenInstance(deps, account, id)
  await guest.contexts.restart(contextId)
}
