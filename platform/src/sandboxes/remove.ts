import type { Account } from '../accounts/account.ts'
import { noSandbox } from './get.ts'
import type { EndReason, Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** Stops a sandbox and forgets it. When it resolves nothing of it is left. Throws `not_found`, also the second time. */
export async function removeSandbox(deps: SandboxDeps, account: Account, id: string): Promise<void> {
  if (!(await endSandbox(deps, id, { reason: 'deleted', accountId: account.id }))) throw noSandbox(id)
}

/**
 * Takes a sandbox from whatever state it is in to `ended`. Answers false when there is none that `rule` allows to end:
 * of two that try, one wins. `expiredBy` lets a sandbox be whose time was extended in the meantime.
 */
export async function endSandbox(
  deps: SandboxDeps,
  id: string,
  rule: { reason: EndReason; accountId?: string; expiredBy?: Date },
): Promise<boolean> {
  deps.busy.add(id)
  try {
    const stopping = await deps.store.markStopping(id, rule)
    if (stopping) await finishStopping(deps, stopping)
    return stopping !== undefined
  } finally {
    deps.busy.delete(id)
  }
}

/** The second half of an end: nothing may be left before the record says so. */
export async function finishStopping(deps: SandboxDeps, stopping: Sandbox): Promise<void> {
  const leaving = deps.live.get(stopping.id)
  deps.live.delete(stopping.id)
  if (leaving) await deps.meter.leaves(stopping.id, leaving.instance)
  if (stopping.instanceId) await deps.engine.stop(stopping.instanceId)
  await deps.store.markEnded(stopping)
}
