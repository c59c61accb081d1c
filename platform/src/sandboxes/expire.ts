import { WarrenError } from '../errors.ts'
import { getSandbox } from './get.ts'
import { pauseSandbox } from './pause.ts'
import { settle } from './recover.ts'
import { endSandbox } from './remove.ts'
import { notRunning } from './running.ts'
import { type PauseSandbox, pausedSeconds, type Sandbox } from './sandbox.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

/**
 * What becomes of a sandbox whose time was over by `expiredBy`: it is paused, if that was said at its start, else it ends. One
 * whose time was extended in the meantime goes on. One that cannot be paused goes on too, and is tried again.
 */
export async function expire(deps: SandboxDeps, sandbox: Sandbox, expiredBy: Date): Promise<void> {
  const { id, accountId, state, lifecycle } = sandbox
  if (lifecycle.onTimeout === 'kill' || !['running', 'pausing', 'resuming'].includes(state))
    return void (await endSandbox(deps, id, { reason: 'timeout', expiredBy }))
  if (state !== 'running') return settle(deps, sandbox)
  try {
    await pauseSandbox(deps, { account: { id: accountId }, id }, pauseOf(sandbox), expiredBy)
  } catch (error) {
    if (error instanceof WarrenError && ['conflict', 'not_found'].includes(error.code)) return
    throw error
  }
}

/** The time of a running sandbox is over now: the same end as when the clock says so. */
export async function expireSandbox(deps: SandboxDeps, { account, id }: Subject): Promise<void> {
  const sandbox = await getSandbox(deps, account, id)
  if (sandbox.state !== 'running') throw await notRunning(deps, account, id)
  if (sandbox.lifecycle.onTimeout === 'pause') return void (await pauseSandbox(deps, { account, id }, pauseOf(sandbox)))
  if (!(await endSandbox(deps, id, { reason: 'timeout', accountId: account.id })))
    throw await notRunning(deps, account, id)
}

/** Nobody was there to say how long it is kept: as long as can be. */
function pauseOf({ lifecycle }: Sandbox): PauseSandbox {
  return { memory: lifecycle.keepMemory, timeout: pausedSeconds.most }
}
