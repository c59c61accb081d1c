import { Pending } from '../lib/pending.ts'
import type { Driver, Limits } from './driver.ts'
import { functionsTemplate } from './images/images.ts'
import type { Instance } from './instance.ts'
import type { StartRequest } from './start-request.ts'
import { WarmPool } from './warm-pool.ts'

/** What the members of a pool are made for. */
export interface PoolKind {
  /** Written into the record of each member. */
  key: string
  driver: Driver
  template: string
  limits: Limits
}

/** What is claimed of a kind in a minute, and how many to keep ready for the next. */
export interface ClaimForecast {
  claimed(): void
  /** A minute has ended. */
  advance(): void
  readonly size: number
}

interface WarmPoolsDeps {
  /** The pool of the operator: as large as he has set, of the strongest driver. */
  own: { template: string; size: number; limits: Limits; driver: () => Promise<Driver> }
  /** What else a member has, as a word of its key. */
  mark: string
  /** A new one, that asks for so many at most. */
  forecast: (most: number) => ClaimForecast
  start: (kind: PoolKind, signal: AbortSignal) => Promise<Instance>
  discard: (instance: Instance) => Promise<void>
  onFailure: (error: unknown) => void
  /** Whether limits of processor, memory and processes can be changed on a member of this driver. */
  canAdapt: (driver: Driver) => boolean
}

/** Another kind that was asked for. */
interface Other {
  pool: WarmPool
  claims: ClaimForecast
  /** How many MiB one that waits weighs. */
  weight: number
  size: number
}

/** Kinds that are remembered beside the operator's; the one asked for longest ago goes for another. */
const mostOthers = 16
const forecastMs = 60_000

/**
 * Sandboxes that wait for whoever asks: the operator's pool, and one of every kind (driver, template, size) that was asked for
 * lately, as large as forecasts of its claims say. All others together hold no more than the operator's.
 */
export class WarmPools {
  readonly #deps: WarmPoolsDeps
  readonly #own: WarmPool
  readonly #ownKey: string
  #ownDriver: Driver | undefined
  #ownSize: number
  /** By key, the one asked for last at the end. */
  readonly #others = new Map<string, Other>()
  /** Of kinds that went for others. */
  readonly #closing = new Pending()
  readonly #timer: NodeJS.Timeout

  constructor(deps: WarmPoolsDeps) {
    this.#deps = deps
    const { template, limits, size } = deps.own
    this.#ownKey = `${template} ${JSON.stringify(limits)}${deps.mark}`
    // One, until it is known which runtime it gets and what that weighs.
    this.#ownSize = Math.min(size, 1)
    this.#own = new WarmPool({ ...deps, size: () => this.#ownSize, start: (signal) => this.#startOwn(signal) })
    this.#timer = setInterval(() => this.foresee(), forecastMs).unref()
  }

  /** How many wait, of all kinds. */
  get ready(): number {
    let ready = this.#own.ready
    for (const { pool } of this.#others.values()) ready += pool.ready
    return ready
  }

  /** The pool for what is asked for, which learns from that; undefined where it cannot wait for anybody. */
  asked(request: StartRequest, driver: Driver): WarmPool | undefined {
    const kind = this.#kindOf(request, driver)
    if (kind === undefined || kind === 'own') return kind && this.#own
    const known = this.#others.get(kind.key)
    const other = known ?? this.#open(kind)
    this.#others.delete(kind.key)
    this.#others.set(kind.key, other)
    other.claims.claimed()
    return other.pool
  }

  /** Whether some that are asked for wait, or are about to. */
  keeps(request: StartRequest, driver: Driver): boolean {
    const kind = this.#kindOf(request, driver)
    if (kind === 'own') return true
    return kind !== undefined && (this.#others.get(kind.key)?.size ?? 0) > 0
  }

  /** Takes in a member that an earlier process had made ready, where it is one that is made still and there is room. */
  add(instance: Instance, key: string | undefined): boolean {
    if (key !== this.#ownKey || this.#own.ready >= this.#deps.own.size) return false
    this.#own.add(instance)
    return true
  }

  fill(): void {
    this.#own.fill()
  }

  /** A minute has ended: how many of the other kinds are kept ready is foreseen anew. */
  foresee(): void {
    let room = this.#deps.own.size
    for (const other of [...this.#others.values()].reverse()) {
      other.claims.advance()
      other.size = Math.min(other.claims.size, Math.floor(room / other.weight))
      room -= other.size * other.weight
      other.pool.trim()
      other.pool.fill()
    }
  }

  /** Stops refilling and removes what belongs to nobody. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([
      this.#own.close(),
      ...[...this.#others.values()].map(({ pool }) => pool.close()),
      this.#closing.over(),
    ])
  }

  #kindOf(
    { template, image, limits, isolation, cold, volumes = [] }: StartRequest,
    driver: Driver,
  ): PoolKind | 'own' | undefined {
    const { own, mark, canAdapt } = this.#deps
    if (own.size === 0 || cold || image || volumes.length > 0 || isolation?.gpu) return undefined
    // Functions keep workers of their own, and what is not isolated is nobody's but the caller's from the beginning.
    if (template === functionsTemplate || driver.isolation === 'none') return undefined
    const { diskMb, maxOpenFiles } = limits
    const made = canAdapt(driver) ? { ...own.limits, diskMb, maxOpenFiles } : { ...own.limits, ...limits }
    const key = `${template} ${JSON.stringify(made)}${mark}`
    if (key === this.#ownKey && (this.#ownDriver ?? driver) === driver) return 'own'
    return { key: `${driver.name} ${key}`, driver, template, limits: made }
  }

  #open(kind: PoolKind): Other {
    const { own, start, forecast } = this.#deps
    for (const [key, { pool }] of [...this.#others].slice(0, Math.max(0, this.#others.size - mostOthers + 1))) {
      this.#others.delete(key)
      void this.#closing.add(pool.close())
    }
    const other: Other = {
      pool: new WarmPool({ ...this.#deps, size: () => other.size, start: (signal) => start(kind, signal) }),
      claims: forecast(own.size),
      weight: kind.driver.idleMemoryMb,
      size: 0,
    }
    return other
  }

  async #startOwn(signal: AbortSignal): Promise<Instance> {
    const { own, start } = this.#deps
    const driver = await own.driver()
    this.#ownDriver = driver
    this.#own.keepOnly(driver.name)
    // The operator's number is of containers, which weigh next to nothing.
    const size = Math.ceil(own.size / driver.idleMemoryMb)
    if (size !== this.#ownSize) {
      this.#ownSize = size
      this.#own.fill()
    }
    return start({ key: this.#ownKey, driver, template: own.template, limits: own.limits }, signal)
  }
}
