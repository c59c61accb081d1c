import type { ProbedDriver } from './choose-driver.ts'
import { type Driver, type Fingerprint, isolations } from './driver.ts'

/** What did not boot is tried again after this long, then after twice as long, and so on; milliseconds. */
const retryMs = { shortest: 30_000, longest: 3_600_000 }

/**
 * The drivers of this host with their verdicts, strongest first. Each is booted once; what failed is tried again now and
 * then when somebody asks, for the host may have been busy, or the missing package may have come.
 */
export class Ladder {
  readonly #drivers: readonly Driver[]
  readonly #probe: (driver: Driver) => Promise<Fingerprint>
  #known: ProbedDriver[] = []
  #probing: Promise<void> | undefined
  #retryMs = retryMs.shortest
  #retryAt = 0

  constructor(drivers: readonly Driver[], probe: (driver: Driver) => Promise<Fingerprint>) {
    const strength = (driver: Driver) => isolations.indexOf(driver.isolation)
    this.#drivers = [...drivers].sort((a, b) => strength(b) - strength(a))
    this.#probe = probe
  }

  /** Waits for a probe only while nothing is known to work. */
  async probed(): Promise<readonly ProbedDriver[]> {
    const isHealthy = ({ fingerprint }: ProbedDriver) => fingerprint.healthy
    if (Date.now() >= this.#retryAt && (this.#known.length === 0 || !this.#known.every(isHealthy))) {
      this.#probing ??= this.#probeFailed()
    }
    if (!this.#known.some(isHealthy)) await this.#probing
    return this.#known
  }

  async #probeFailed(): Promise<void> {
    this.#known = await Promise.all(this.#drivers.map((driver) => this.#verdict(driver)))
    this.#retryAt = Date.now() + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * 2, retryMs.longest)
    this.#probing = undefined
  }

  async #verdict(driver: Driver): Promise<ProbedDriver> {
    const known = this.#known.find((probed) => probed.driver === driver)
    if (known?.fingerprint.healthy) return known
    const fingerprint = await this.#probe(driver).catch((error: Error) => ({
      healthy: false as const,
      reason: error.message,
    }))
    return { driver, fingerprint }
  }
}
