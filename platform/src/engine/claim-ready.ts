import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Driver, Limits } from './driver.ts'
import type { EngineDeps } from './engine-deps.ts'
import type { Instance } from './instance.ts'
import type { StartRequest } from './start-request.ts'
import type { WarmPool } from './warm-pool.ts'
import type { WarmPools } from './warm-pools.ts'

interface ClaimDeps extends Pick<EngineDeps, 'store' | 'log'> {
  pools: WarmPools
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
  const pool = deps.pools.asked(request, driver)
  // The question is on its way before we have work of our own.
  if (permitted && pool) await nextTurn()
  const instance = await pool?.claim(driver.name, (member) => deps.store.markClaimed(member.id, { owner, limits }))
  try {
    await permitted
  } catch (error) {
    if (instance && pool) await giveBack(deps, instance, pool)
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

async function giveBack({ store, log, clear }: ClaimDeps, instance: Instance, pool: WarmPool): Promise<void> {
  try {
    await store.unclaim(instance.id)
    pool.giveBack(instance)
  } catch (error) {
    log.warn({ error, sandbox: instance.id }, 'a sandbox did not go back to the warm pool')
    await clear(instance)
  }
}

function sameLimits(a: Limits, b: Limits): boolean {
  return a.cpuCores === b.cpuCores && a.memoryMb === b.memoryMb && a.maxProcesses === b.maxProcesses
}
