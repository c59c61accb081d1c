import { WarrenError } from '../errors.ts'
import type { Driver, InstanceSpec, NetworkPlace } from './driver.ts'
import type { Instance } from './instance.ts'
import type { GatewayStatus, SlotBytes } from './network/messages.ts'
import type { Network } from './network/network.ts'
import { looksInto } from './network/outgoing.ts'
import { closedPolicy, isOpenPolicy, type NetworkPolicy } from './network/rules.ts'
import { trustAuthority } from './trust-authority.ts'

interface Placed {
  spec: Pick<InstanceSpec, 'network'>
  driver: { name: string }
}

/** The network as the engine uses it, or the reason why this host gives none. */
export class InstanceNetwork {
  readonly #network: Network | string
  /** An instance may be removed twice, by its end and by whoever wants it gone: the second time its slot is another's. */
  readonly #released = new WeakSet<NetworkPlace>()
  readonly #shut = new WeakSet<NetworkPlace>()

  constructor(network: Network | string) {
    this.#network = network
  }

  get isThere(): boolean {
    return typeof this.#network !== 'string'
  }

  /** Whether instances of `driver` get one. */
  isFor(driver: Driver): boolean {
    return this.isThere && driver.joinsNetwork === true
  }

  /** Throws `unavailable` where an instance of `driver` could not do what `policy` allows. */
  check(driver: Driver, policy: NetworkPolicy): void {
    if (isOpenPolicy(policy) && !this.isFor(driver)) throw this.#missing(driver.name)
  }

  /** As `check`, for one that runs. */
  checkInstance({ spec, driver }: Placed, policy: NetworkPolicy): void {
    if (isOpenPolicy(policy) && !(this.isThere && spec.network)) throw this.#missing(driver.name)
  }

  /** A prepared network for a new instance, if there is one for it. */
  async take(driver: Driver): Promise<{ network?: NetworkPlace }> {
    return typeof this.#network !== 'string' && driver.joinsNetwork ? { network: await this.#network.take() } : {}
  }

  /** Only when neither the instance nor its record is there any more: the next one gets it. */
  async release({ network }: InstanceSpec): Promise<void> {
    if (!network || this.#released.has(network) || typeof this.#network === 'string') return
    this.#released.add(network)
    await this.#network.release(network.slot)
  }

  /** Whether the instance has had its network and given it back. */
  isReleased({ spec: { network } }: Placed): boolean {
    return network !== undefined && this.#released.has(network)
  }

  /**
   * From when this resolves on, what `policy` does not allow is cut. Throws `unavailable` where there is no network, or none any
   * more: what was its slot may be another's by now, and a policy may have secrets in it.
   */
  async set(instance: Placed, policy: NetworkPolicy = closedPolicy): Promise<void> {
    this.checkInstance(instance, policy)
    if (this.isReleased(instance)) throw new WarrenError('unavailable', 'the network of this sandbox is gone with it')
    const { network } = instance.spec
    if (!network || typeof this.#network === 'string') return
    await this.#network.set(network.slot, policy.shut ? closedPolicy : policy)
    if (policy.shut) this.#shut.add(network)
    else this.#shut.delete(network)
  }

  /** Whether what was set last is shut for now. */
  isShut({ spec: { network } }: Placed): boolean {
    return network !== undefined && this.#shut.has(network)
  }

  /** Lets what runs there trust the gateway, if requests are looked into by it. The instance must not stand still. */
  async trust({ spec, guest }: Instance, { outgoing }: NetworkPolicy = closedPolicy): Promise<void> {
    if (!spec.network || typeof this.#network === 'string' || !looksInto(outgoing)) return
    await trustAuthority(guest.files, this.#network.authority)
  }

  /** Whether it had one that is gone, so that it will never reach anything. */
  isLost({ network }: InstanceSpec): boolean {
    return network !== undefined && typeof this.#network !== 'string' && this.#network.isLost(network.slot)
  }

  /** What came and went, and what was refused. Undefined for an instance without a network. */
  async status({ spec }: Placed): Promise<GatewayStatus | undefined> {
    return spec.network && typeof this.#network !== 'string' ? this.#network.status(spec.network.slot) : undefined
  }

  /** What came and went, of one instance or of all that have a network. */
  async counters(of?: Placed): Promise<SlotBytes[]> {
    // What was its slot may be another's by now.
    if (typeof this.#network === 'string' || (of && (!of.spec.network || this.isReleased(of)))) return []
    return this.#network.counters(of?.spec.network?.slot)
  }

  async close(): Promise<void> {
    if (typeof this.#network !== 'string') await this.#network.close()
  }

  #missing(driver: string): WarrenError {
    const reason = typeof this.#network === 'string' ? this.#network : `its runtime ${driver} was given no network`
    return new WarrenError('unavailable', `this sandbox cannot reach anything: ${reason}`, {
      hint: 'Ask without `network`, or see docs/network.md for what the host needs.',
    })
  }
}
