import type { Engine, Instance } from '../../engine/engine.ts'
import type { Meter } from '../../metering/meter.ts'
import type { Logger } from '../../telemetry/logger.ts'

export interface NetworksDeps {
  network: Pick<Engine['network'], 'set' | 'isShut'>
  meter: Pick<Meter, 'connects' | 'disconnects'>
  /** Whether an organisation has sent all that it may today. */
  isEgressUsedUp: (accountId: string) => Promise<boolean>
  logger: Logger
}

/** Whose code runs in an instance. */
export interface Tenant {
  accountId: string
  /** The function; while it is deployed for the first time it has no id. */
  id?: string
  name: string
}

const lookMs = 5000

/** The networks of instances that reach the internet: metered, and shut while their organisation has sent what it may in a day. */
export class Networks {
  readonly #deps: NetworksDeps
  readonly #open = new Map<Instance, string>()
  #timer: NodeJS.Timeout | undefined

  constructor(deps: NetworksDeps) {
    this.#deps = deps
  }

  async open(instance: Instance, { accountId, id, name }: Tenant): Promise<void> {
    const { meter, isEgressUsedUp } = this.#deps
    await this.#set(instance, await isEgressUsedUp(accountId))
    if (!instance.spec.network) return
    this.#open.set(instance, accountId)
    const resource = id ?? instance.id
    meter.connects({ subject: instance.id, accountId, resource, attributes: { function: name } }, instance)
    this.#timer ??= setInterval(() => void this.#look(), lookMs).unref()
  }

  /** It is about to end. */
  async leave(instance: Instance): Promise<void> {
    if (this.#open.delete(instance)) await this.#deps.meter.disconnects(instance.id)
    if (this.#open.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Asks once for each organisation, however many instances it has. */
  async #look(): Promise<void> {
    const { network, isEgressUsedUp, logger } = this.#deps
    const asked = new Map<string, Promise<boolean>>()
    for (const [instance, accountId] of [...this.#open]) {
      const answer = asked.get(accountId) ?? isEgressUsedUp(accountId)
      asked.set(accountId, answer)
      try {
        const isUsedUp = await answer
        if (isUsedUp !== network.isShut(instance) && this.#open.has(instance)) await this.#set(instance, isUsedUp)
      } catch (error) {
        logger.warn({ err: error, account: accountId }, 'the quota of what is sent was not applied; it is tried again')
      }
    }
  }

  #set(instance: Instance, isUsedUp: boolean): Promise<void> {
    const policy = { internet: true, allow: [], deny: [], ...(isUsedUp ? { shut: true as const } : {}) }
    return this.#deps.network.set(instance, policy)
  }
}
