import type { Driver, Limits } from './driver.ts'
import type { EngineDeps } from './engine-deps.ts'
import type { StartRequest } from './start-request.ts'

/** Whether one of those that wait in the warm pool is what is asked for. */
export function fitsPool(
  { pool, cgroups }: Pick<EngineDeps, 'pool' | 'cgroups'>,
  { template, image, limits, isolation, volumes = [] }: StartRequest,
  driver: Driver,
): boolean {
  return (
    pool.size > 0 &&
    volumes.length === 0 &&
    !isolation?.gpu &&
    !image &&
    template === pool.template &&
    limits.diskMb === pool.limits.diskMb &&
    limits.maxOpenFiles === pool.limits.maxOpenFiles &&
    // Without control groups too a limit is set at the start, for good.
    ((cgroups !== undefined && !driver.limitsAreFixed) || sameLimits(limits, pool.limits))
  )
}

export function sameLimits(a: Limits, b: Limits): boolean {
  return a.cpuCores === b.cpuCores && a.memoryMb === b.memoryMb && a.maxProcesses === b.maxProcesses
}
