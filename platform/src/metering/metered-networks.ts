import type { Engine, Instance } from '../engine/engine.ts'
import type { Quotas } from '../quotas/quotas.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Meter } from './meter.ts'

interface MeteredNetworksDeps {
  network: Pick<Engine['network'], 'set' | 'isShut' | 'isReleased'>
  meter: Pick<Meter, 'connects' | 'disconnects'>
  quotas: Pick<Quotas, 'isEgressUsedUp'>
  logger: Logger
}

/** For whom an instance sends. */
export interface Sender {
  accountId: string
  /** What facts name, instead of the instance. */
  resource?: string | undefined
  attributes: Record<string, string>
  /** Its network is shut, for what may be sent in a day is used up. */
  onShut?: () => void
}

const lookMs = 5000
const open = { internet: true, allow: [], deny: [] }

/**
 * The networks of instances that no event tells of and that reach the internet, those of functions and of builds: metered, and shut
 * while their organisation has sent what it may in a day.
 */
export class MeteredNetworks {
  readonly #deps: MeteredNetworksDeps
  readonly #open = new Map<Instance, Sender>()
  #timer: NodeJS.Timeout | undefined

  constructor(deps: MeteredNetworksDeps) {
    this.#deps = deps
  }

  async open(instance: Instance, sender: Sender): Promise<void> {
    const { meter, quotas } = this.#deps
    const { accountId, resource = instance.id, attributes } = sender
    await this.#set(instance, sender, await quotas.isEgressUsedUp(accountId))
    if (!instance.spec.network) return
    this.#open.set(instance, sender)
    meter.connects({ subject: instance.id, accountId, resource, attributes }, instance)
    this.#timer ??= setInterval(() => void this.#look(), lookMs).unref()
  }

  /** It is about to end. From now on it sends nothing, so that nothing is sent after the last look. Never rejects. */
  async leave(instance: Instance): Promise<void> {
    if (this.#open.delete(instance)) {
      const { meter, network, logger } = this.#deps
      // One that has ended by itself has no network any more.
      await network.set(instance, { ...open, shut: true }).catch((error) => {
        if (!network.isReleased(instance)) logger.warn({ err: error }, 'a network was not shut before its end')
      })
      await meter.disconnects(instance.id)
    }
    if (this.#open.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Asks once for each organisation, however many instances it has. */
  async #look(): Promise<void> {
    const { network, quotas, logger } = this.#deps
    const asked = new Map<string, Promise<boolean>>()
    for (const [instance, sender] of [...this.#open]) {
      const { accountId } = sender
      const answer = asked.get(accountId) ?? quotas.isEgressUsedUp(accountId)
      asked.set(accountId, answer)
      try {
        const isUsedUp = await answer
        if (isUsedUp !== network.isShut(instance) && this.#open.has(instance))
          await this.#set(instance, sender, isUsedUp)
      } catch (error) {
        logger.warn({ err: error, account: accountId }, 'the quota of what is sent was not applied; it is tried again')
      }
    }
  }

  async #set(instance: Instance, { onShut }: Sender, isUsedUp: boolean): Promise<void> {
    await this.#deps.network.set(instance, isUsedUp ? { ...open, shut: true } : open)
    if (isUsedUp) onShut?.()
  }
}
