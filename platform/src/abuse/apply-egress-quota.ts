import type { Engine } from '../engine/engine.ts'
import type { Quotas } from '../quotas/quotas.ts'
import type { Sampled, Sandboxes } from '../sandboxes/sandboxes.ts'
import type { Logger } from '../telemetry/logger.ts'

interface EgressDeps {
  engine: Pick<Engine, 'network'>
  sandboxes: Pick<Sandboxes, 'renewNetwork'>
  quotas: Pick<Quotas, 'isEgressUsedUp'>
  logger: Logger
}

/**
 * Applies the quota of what is sent in a day to a sandbox that runs: when it is used up, and when there is more again, its
 * network is set anew. Where that is done it is asked too, and so for each that starts, goes on or changes.
 */
export async function applyEgressQuota(
  { engine, sandboxes, quotas, logger }: EgressDeps,
  { id, accountId, instance }: Sampled,
): Promise<void> {
  if (!instance.spec.network) return
  const isUsedUp = await quotas.isEgressUsedUp(accountId)
  if (isUsedUp === engine.network.isShut(instance)) return
  if (isUsedUp)
    logger.warn({ sandbox: id, account: accountId }, 'what may be sent in a day is used up: it reaches nothing')
  await sandboxes.renewNetwork({ id, accountId, instance })
}
