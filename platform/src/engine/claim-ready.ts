import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Driver } from './driver.ts'
import type { EngineDeps } from './engine-deps.ts'
import { fitsPool, sameLimits } from './fits-pool.ts'
import type { Instance } from './instance.ts'
import type { StartRequest } from './start-request.ts'
import type { WarmPool } from './warm-pool.ts'

interface ClaimDeps extends Pick<EngineDeps, 'store' | 'log' | 'pool' | 'cgroups'> {
  ready: WarmPool
  /** Removes an instance and all that it has on the host. */
  clear: (instance: Instance) => Promise<void>
}

/**
 * Takes one that waits, for the request's owner, while it is decided whether that is permitted: both take about as long.
 * Undefined when none that waits is what is asked for. Rejects when it is not permitted; then what was taken waits again.
 */
export async function claimReady(
  deps: ClaimDeps,
  request: StartRequest,
  driver: Driver,
): Promise<Instance | undefined> {
  const { owner, limits, permitted } = request
  const isOffered = !request.cold && fitsPool(deps, request, driver)
  // The question is on its way before we have work of our own.
  if (permitted && isOffered) await nextTurn()
  const instance = isOffered
    ? await deps.ready.claim(driver.name, (member) => deps.store.markClaimed(member.id, { owner, limits }))
    : undefined
  try {
    await permitted
  } catch (error) {
    if (instance) await giveBack(deps, instance)
    throw error
  }
  if (!instance || sameLimits(limits, instance.limits)) return instance
  try {
    await instance.setLimits(limits)
    return instance
  } catch (error) {
    await deps.clear(instance)
    throw error
  }
}

async function giveBack({ store, log, ready, clear }: ClaimDeps, instance: Instance): Promise<void> {
  try {
    await store.unclaim(instance.id)
    ready.giveBack(instance)
  } catch (error) {
    log.warn({ error, sandbox: instance.id }, 'a sandbox did not go back to the warm pool')
    await clear(instance)
  }
}
