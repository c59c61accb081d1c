import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../errors.ts'
import type { NetworkPlace } from '../driver.ts'
import { interfaceAddresses } from './gateway/own-addresses.ts'
import { Gateway } from './gateway-lifetime.ts'
import type { GatewayPlace, GatewayProcess } from './gateway-process.ts'
import type { Ground } from './ground.ts'
import { type GatewaySettings, type GatewayStatus, mostSlots, type SlotBytes } from './messages.ts'
import { closedPolicy, isOpenPolicy, type NetworkPolicy } from './rules.ts'
import { SlotNamespaces } from './slots.ts'

export interface NetworkOptions {
  ground: Ground
  /** The platform's own on this host. */
  name: string
  settings: Omit<GatewaySettings, 'hostAddresses'>
  gateway: Omit<GatewayPlace, 'routerPath' | 'routerId'>
  /** Slots that sandboxes of an earlier process are in. */
  taken: readonly number[]
  log: { warn: (details: object, message: string) => void }
}

/** How many slots are kept ready, how many are made in one go, and how many that come back are kept. */
const ready = { least: 4, batch: 8, most: 64 }
const retryMs = 1000

/** Hands out prepared networks to sandboxes and holds what each may reach. A slot without a policy reaches nothing. */
export class Network {
  readonly #options: NetworkOptions
  readonly #namespaces: SlotNamespaces
  readonly #taken: Set<number>
  /** Slots that the kernel lets speak with the gateway. */
  readonly #open: Set<number>
  readonly #policies = new Map<number, NetworkPolicy>()
  #ready: number[] = []
  #next = 1
  /** Given back, not yet fit for the next. */
  #used: number[] = []
  #working: Promise<void> | undefined
  readonly #gateway: Gateway
  #closed = false
  /** Slots of live sandboxes that went with the ground they were on: they reach nothing any more, and nobody else gets them. */
  readonly #lost: Set<number>

  private constructor(options: NetworkOptions, namespaces: SlotNamespaces, found: readonly number[]) {
    this.#options = options
    this.#namespaces = namespaces
    this.#taken = new Set(options.taken)
    this.#lost = new Set(options.taken.filter((slot) => !found.includes(slot)))
    this.#open = new Set(options.taken.filter((slot) => found.includes(slot)))
    this.#gateway = new Gateway({
      place: { ...options.gateway, routerPath: namespaces.routerPath, routerId: options.ground.id },
      configure: (gateway) => this.#configure(gateway),
      log: options.log,
    })
  }

  /** Makes what all sandboxes share, takes up or removes what is left of an earlier process. Rejects where it cannot be. */
  static async open(options: NetworkOptions): Promise<Network> {
    const namespaces = new SlotNamespaces(options.name, options.ground)
    const found = await namespaces.list()
    const taken = options.taken.filter((slot) => found.includes(slot))
    await namespaces.openRouter(taken)
    const stray = found.filter((slot) => !taken.includes(slot))
    if (stray.length > 0) await namespaces.remove(stray)
    const network = new Network(options, namespaces, found)
    await network.#gateway.recover()
    network.#fill()
    return network
  }

  /** Takes a ready slot, in which everything is denied. */
  async take(): Promise<NetworkPlace> {
    for (;;) {
      const slot = this.#ready.shift()
      this.#fill()
      if (slot !== undefined) {
        this.#taken.add(slot)
        return { slot, netns: this.#namespaces.path(slot) }
      }
      if (this.#closed) throw new WarrenError('unavailable', 'the platform is stopping')
      await this.#working
    }
  }

  /** From when this resolves on, what `policy` does not allow is cut. */
  async set(slot: number, policy: NetworkPolicy): Promise<void> {
    const open = isOpenPolicy(policy)
    if (open && this.#lost.has(slot)) throw new WarrenError('unavailable', 'the network of this sandbox was lost')
    this.#policies.set(slot, policy)
    if (open || this.#gateway.isRunning) await this.#gateway.ask({ verb: 'set', slot, policy })
    if (open === this.#open.has(slot)) return
    await (open ? this.#namespaces.open(slot) : this.#namespaces.shut(slot))
    if (open) this.#open.add(slot)
    else this.#open.delete(slot)
  }

  /** The certificate of who signs what sandboxes are shown in the place of servers. */
  get authority(): string {
    return this.#options.settings.authority.certificate
  }

  isLost(slot: number): boolean {
    return this.#lost.has(slot)
  }

  async status(slot: number): Promise<GatewayStatus> {
    if (!this.#gateway.isRunning) return nothingYet()
    const status = await this.#gateway.ask<GatewayStatus | undefined>({ verb: 'status', slot })
    if (status) return status
    await this.set(slot, this.#policies.get(slot) ?? closedPolicy)
    return this.status(slot)
  }

  /** What came and went, of one slot or of all that have a policy. */
  async counters(slot?: number): Promise<SlotBytes[]> {
    if (!this.#gateway.isRunning) return []
    return this.#gateway.ask<SlotBytes[]>({ verb: 'counters', ...(slot === undefined ? {} : { slot }) })
  }

  /** From when this resolves on nothing is allowed there. Nothing may run in it any more: the next sandbox gets it. */
  async release(slot: number): Promise<void> {
    if (!this.#taken.delete(slot)) return
    this.#policies.delete(slot)
    if (this.#lost.delete(slot)) return
    this.#open.delete(slot)
    // If it has died, it knows nothing.
    if (this.#gateway.isRunning) await this.#gateway.ask({ verb: 'clear', slot }).catch(() => {})
    this.#used.push(slot)
    this.#fill()
  }

  /** With slots in use the gateway and they go on; else nothing of the network is left. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#working
    await this.#namespaces.remove([...this.#ready.splice(0), ...this.#used.splice(0)])
    if (this.#taken.size > 0) {
      await this.#namespaces.close()
      return this.#gateway.release()
    }
    await this.#gateway.kill()
    await this.#namespaces.removeRouter()
    await this.#namespaces.close()
    await this.#options.ground.end()
  }

  /** Brings the slots to what should be ready, in the background. */
  #fill(): void {
    if (this.#working || this.#closed) return
    if (this.#used.length === 0 && this.#ready.length >= ready.least) return
    this.#working = (this.#used.length > 0 ? this.#takeBack() : this.#make())
      .catch(async (error) => {
        this.#options.log.warn({ err: error }, 'networks for sandboxes could not be made; it is tried again')
        await sleep(retryMs, undefined, { ref: false })
      })
      .finally(() => {
        this.#working = undefined
        this.#fill()
      })
  }

  async #takeBack(): Promise<void> {
    const used = this.#used.splice(0)
    const wanted = used.splice(0, Math.max(0, ready.most - this.#ready.length))
    await this.#namespaces.remove(used)
    if (wanted.length === 0) return
    await this.#namespaces.renew(wanted).catch(async (error) => {
      await this.#namespaces.remove(wanted)
      throw error
    })
    this.#ready.push(...wanted)
  }

  async #make(): Promise<void> {
    const slots: number[] = []
    for (let tries = 0; slots.length < ready.batch && tries < mostSlots; tries++) {
      const slot = this.#next
      this.#next = (this.#next % mostSlots) + 1
      if (!this.#taken.has(slot) && !this.#ready.includes(slot) && !this.#used.includes(slot)) slots.push(slot)
    }
    // After a failure halfway some may be there.
    await this.#namespaces.make(slots).catch(async (error) => {
      await this.#namespaces.remove(slots).catch(() => {})
      throw error
    })
    this.#ready.push(...slots)
  }

  async #configure(gateway: GatewayProcess): Promise<void> {
    const settings = { ...this.#options.settings, hostAddresses: [...interfaceAddresses()] }
    const slots = [...this.#taken].filter((slot) => !this.#lost.has(slot))
    await gateway.ask({ verb: 'configure', settings, slots })
    for (const [slot, policy] of this.#policies) await gateway.ask({ verb: 'set', slot, policy })
  }
}

/** Of a sandbox that never could reach anything. */
function nothingYet(): GatewayStatus {
  const bytes = { bytesSent: 0, bytesReceived: 0 }
  return { counters: { ...bytes, connections: 0, openConnections: 0, refused: 0, questions: 0 }, log: [] }
}
