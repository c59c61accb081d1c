import { WarrenError } from '../errors.ts'
import { Pending } from '../lib/pending.ts'
import { type IsolationWanted, type ProbedDriver, wantsEmulation } from './choose-driver.ts'
import { type Driver, type Fingerprint, isolations } from './driver.ts'

/** What did not boot is tried again after this long, then after twice as long, and so on; milliseconds. Sooner while nothing works. */
const retryMs = { nothing: 1000, shortest: 30_000, longest: 3_600_000 }

/** Boots a driver's backend; one that only emulates when it was `asked` for. */
type Probe = (driver: Driver, asked: boolean) => Promise<Fingerprint>

/**
 * The drivers of this host with their verdicts, strongest first. Each is booted once; what failed is tried again now and
 * then when somebody asks, for the host may have been busy, or the missing package may have come. What only emulates is
 * booted for the first who wants it.
 */
export class Ladder {
  readonly #drivers: readonly Driver[]
  readonly #probe: Probe
  #known: ProbedDriver[] = []
  readonly #asked = new Map<Driver, Promise<void>>()
  #probing: Promise<void> | undefined
  #retryMs: number = retryMs.nothing
  #retryAt = 0
  readonly #underWay = new Pending()
  #isClosed = false

  constructor(drivers: readonly Driver[], probe: Probe) {
    const strength = (driver: Driver) => isolations.indexOf(driver.isolation)
    this.#drivers = [...drivers].sort((a, b) => strength(b) - strength(a))
    this.#probe = probe
  }

  /** Waits for a probe only while nothing is known to work, and for what `wanted` alone asks for. */
  async probed(wanted?: IsolationWanted): Promise<readonly ProbedDriver[]> {
    const isHealthy = ({ fingerprint }: ProbedDriver) => fingerprint.healthy
    const isSettled = (probed: ProbedDriver) => isHealthy(probed) || isUntried(probed)
    if (!this.#isClosed && Date.now() >= this.#retryAt && (this.#known.length === 0 || !this.#known.every(isSettled))) {
      this.#probing ??= this.#probeFailed()
    }
    if (!this.#known.some(isHealthy)) await this.#probing
    const asked = this.#known.filter((probed) => wanted && isUntried(probed) && wantsEmulation(probed.driver, wanted))
    await Promise.all(asked.map(({ driver }) => this.#ask(driver)))
    return this.#known
  }

  /** Boots nothing any more; resolves when what was being booted has ended. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#underWay.over()
  }

  /** The driver of this name. Throws `unavailable` with the reason where it does not work. */
  async healthy(name: string): Promise<Driver> {
    const found = (await this.probed({ driver: name, min: 'none' })).find(({ driver }) => driver.name === name)
    if (found?.fingerprint.healthy) return found.driver
    const reason = found ? found.fingerprint.reason : 'no driver has that name'
    throw new WarrenError('unavailable', `the runtime ${name} is not to be had here: ${reason}`)
  }

  /** Those who ask at the same time wait for one boot. */
  #ask(driver: Driver): Promise<void> {
    const asking = this.#asked.get(driver) ?? this.#bootAsked(driver).finally(() => this.#asked.delete(driver))
    this.#asked.set(driver, asking)
    return asking
  }

  async #bootAsked(driver: Driver): Promise<void> {
    const verdict = await this.#verdict(driver, true)
    // One that failed is untried for the next who asks.
    if (!verdict.fingerprint.healthy) verdict.fingerprint = { ...verdict.fingerprint, untried: true }
    this.#known = this.#known.map((probed) => (probed.driver === driver ? verdict : probed))
  }

  async #probeFailed(): Promise<void> {
    this.#known = await Promise.all(this.#drivers.map((driver) => this.#verdict(driver)))
    if (this.#known.some(({ fingerprint }) => fingerprint.healthy))
      this.#retryMs = Math.max(this.#retryMs, retryMs.shortest)
    this.#retryAt = Date.now() + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * 2, retryMs.longest)
    this.#probing = undefined
  }

  async #verdict(driver: Driver, asked = false): Promise<ProbedDriver> {
    const known = this.#known.find((probed) => probed.driver === driver)
    if (known?.fingerprint.healthy) return known
    const fingerprint = await this.#underWay.add(this.#probe(driver, asked)).catch((error: Error) => ({
      healthy: false as const,
      reason: error.message,
    }))
    return { driver, fingerprint }
  }
}

function isUntried({ fingerprint }: ProbedDriver): boolean {
  return !fingerprint.healthy && fingerprint.untried === true
}
