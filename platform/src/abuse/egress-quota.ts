import type { Account } from '../accounts/account.ts'
import type { Engine, Instance } from '../engine/engine.ts'
import { closedPolicy } from '../engine/network/rules.ts'
import type { Quotas } from '../quotas/quotas.ts'
import type { Sampled, Sandboxes } from '../sandboxes/sandboxes.ts'
import type { Logger } from '../telemetry/logger.ts'

interface EgressDeps {
  engine: Pick<Engine, 'network'>
  sandboxes: Pick<Sandboxes, 'get'>
  quotas: Pick<Quotas, 'addEgress'>
  accountOf: (id: string) => Promise<Account>
  logger: Logger
}

/** What sandboxes send counts towards the day of their organisation. When that is used up, they reach nothing until midnight UTC. */
export class EgressQuota {
  readonly #deps: EgressDeps
  readonly #sent = new WeakMap<Instance, number>()
  readonly #shut = new WeakSet<Instance>()

  constructor(deps: EgressDeps) {
    this.#deps = deps
  }

  /** `bytesSent` is all that the sandbox has sent since its network began to count. */
  async count({ id, accountId, instance }: Sampled, bytesSent: number): Promise<void> {
    const { engine, sandboxes, quotas, accountOf, logger } = this.#deps
    const before = this.#sent.get(instance)
    this.#sent.set(instance, bytesSent)
    // Of one that is seen for the first time after a restart it is not known what was counted already.
    const more = before === undefined ? 0 : Math.max(0, bytesSent - before)
    if (more === 0 && !this.#shut.has(instance)) return
    const account = await accountOf(accountId)
    const isUsedUp = await quotas.addEgress(account, more)
    if (isUsedUp === this.#shut.has(instance)) return
    if (isUsedUp) {
      logger.warn(
        { sandbox: id, account: account.id },
        'the quota of what is sent in a day is used up: it reaches nothing',
      )
      await engine.network.set(instance, closedPolicy)
      this.#shut.add(instance)
      return
    }
    await engine.network.set(instance, (await sandboxes.get({ account, id })).network)
    this.#shut.delete(instance)
  }
}
