import type { Account } from '../accounts/account.ts'
import type { Instance } from '../engine/engine.ts'
import { WarrenError } from '../errors.ts'
import { checkHere } from './check-here.ts'
import { getSandbox } from './get.ts'
import type { SandboxDeps } from './sandboxes.ts'

/**
 * The instance behind a running sandbox of `account`. Answered from memory, so that work inside a running sandbox does
 * not wait for the database. Throws `not_found`, or `conflict` with the reason when it does not run.
 */
export async function runningInstance(deps: SandboxDeps, account: Account, id: string): Promise<Instance> {
  const live = deps.live.get(id)
  if (live?.accountId === account.id) return live.instance
  await checkHere(deps, { account, id })
  throw await notRunning(deps, account, id)
}

/** As `runningInstance`, or of a paused sandbox what stands still; undefined where that is saved and nothing of it runs. */
export async function networkedInstance(
  deps: SandboxDeps,
  account: Account,
  id: string,
): Promise<Instance | undefined> {
  if (deps.live.get(id)?.accountId === account.id) return runningInstance(deps, account, id)
  const { state, instanceId } = await getSandbox(deps, account, id)
  if (state === 'paused') return deps.engine.get(instanceId!)
  return runningInstance(deps, account, id)
}

export async function notRunning(deps: SandboxDeps, account: Pick<Account, 'id'>, id: string): Promise<WarrenError> {
  const { state, endReason } = await getSandbox(deps, account, id)
  const details = { state, ...(endReason ? { endReason } : {}) }
  if (state === 'paused')
    return new WarrenError('conflict', `sandbox ${id} is paused: resume it first`, {
      hint: `POST /v1/sandboxes/${id}/resume, or: warren sandbox resume ${id}`,
      details,
    })
  const why = endReason ? ` (${endReason})` : ''
  return new WarrenError('conflict', `sandbox ${id} is not running: it is ${state}${why}`, { details })
}
