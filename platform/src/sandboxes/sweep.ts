import { checkAgents } from './check-agents.ts'
import { expire } from './expire.ts'
import { settle } from './recover.ts'
import type { SandboxDeps } from './sandboxes.ts'

/**
 * Ends or pauses the sandboxes whose time is over and settles records that nobody is at work on; `everything` looks at those too
 * that should be running, and whether they answer. Does not wait for the ends, so that one that hangs does not hold up the others. Answers when
 * the next sandbox expires.
 */
export async function sweepSandboxes(deps: SandboxDeps, everything: boolean): Promise<Date | undefined> {
  const { store, now, busy, logger } = deps
  const expiredBy = now()
  if (everything) checkAgents(deps)
  for (const sandbox of await (everything ? store.unsettled() : store.due(expiredBy))) {
    if (busy.has(sandbox.id)) continue
    const due = sandbox.state !== 'stopping' && sandbox.expiresAt <= expiredBy
    const work = due ? expire(deps, sandbox, expiredBy) : settle(deps, sandbox)
    work.catch((error) =>
      logger.error({ err: error, sandbox: sandbox.id }, 'sandbox could not be settled; tried again later'),
    )
  }
  return store.nextExpiry(expiredBy)
}
