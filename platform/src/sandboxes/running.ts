import type { Account } from '../accounts/account.ts'
import type { Instance } from '../engine/engine.ts'
import { WarrenError } from '../errors.ts'
import { getSandbox } from './get.ts'
import type { SandboxDeps } from './sandboxes.ts'

/**
 * The instance behind a running sandbox of `account`. Answered from memory, so that work inside a running sandbox does
 * not wait for the database. Throws `not_found`, or `conflict` with the reason when it does not run.
 */
export async function runningInstance(deps: SandboxDeps, account: Account, id: string): Promise<Instance> {
  const live = deps.live.get(id)
  if (live?.accountId === account.id) return live.instance
  throw await notRunning(deps, account, id)
}

export async function notRunning(deps: SandboxDeps, account: Account, id: string): Promise<WarrenError> {
  const { state, endReason } = await getSandbox(deps, account, id)
  return new WarrenError(
    'conflict',
    `sandbox ${id} is not running: it is ${state}${endReason ? ` (${endReason})` : ''}`,
    {
      details: { state, ...(endReason ? { endReason } : {}) },
    },
  )
}
