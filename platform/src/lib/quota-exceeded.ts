import { WarrenError } from '../errors.ts'

const words: Record<string, string> = {
  sandboxes: 'sandboxes at once',
  cpuCores: 'cores at once, of sandboxes, instances of functions and builds',
  memoryMb: 'MiB of memory at once, of sandboxes, instances of functions and builds',
  storageMb: 'MiB of disk, for sandboxes, volumes, snapshots and objects',
  egressMbPerDay: 'MiB to the network in a day',
  functions: 'calls of functions at once',
  builds: 'builds of templates at once',
  agentBudget: 'millionths of a dollar for agents at once',
}

/** The refusal of what would go beyond a quota. */
export function quotaExceeded({ quota, most }: { quota: string; most: number }): WarrenError {
  return new WarrenError('limit_exceeded', `the quota is ${most} ${words[quota] ?? quota}`, {
    hint: 'Delete or pause something, ask for less, or have the operator raise the quota. `warren quota` shows what is used.',
    details: { quota, limit: most },
  })
}

/** Whether it is processors or memory that are missing, which others of the same organisation may give back. */
export function lacksRoom(error: unknown): error is WarrenError {
  if (!(error instanceof WarrenError) || error.code !== 'limit_exceeded') return false
  return ['cpuCores', 'memoryMb'].includes(String(error.details?.quota))
}
