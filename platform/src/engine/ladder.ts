import type { ProbedDriver } from './choose-driver.ts'
import { type Driver, type Fingerprint, isolations } from './driver.ts'

/** A host on which nothing booted is tried again after this long, milliseconds: it may have been busy. */
const probeAgainMs = 30_000

/** The drivers of this host with their verdicts, strongest first. Booted once; again only while none is healthy. */
export class Ladder {
  readonly #drivers: readonly Driver[]
  readonly #probe: (driver: Driver) => Promise<Fingerprint>
  #probed: Promise<ProbedDriver[]> | undefined
  #probedAt = 0

  constructor(drivers: readonly Driver[], probe: (driver: Driver) => Promise<Fingerprint>) {
    const strength = (driver: Driver) => isolations.indexOf(driver.isolation)
    this.#drivers = [...drivers].sort((a, b) => strength(b) - strength(a))
    this.#probe = probe
  }

  async probed(): Promise<readonly ProbedDriver[]> {
    const known = await this.#probed
    if (known?.some(({ fingerprint }) => fingerprint.healthy)) return known
    if (!this.#probed || Date.now() - this.#probedAt > probeAgainMs) {
      this.#probedAt = Date.now()
      this.#probed = Promise.all(
        this.#drivers.map(async (driver) => ({ driver, fingerprint: await this.#probe(driver) })),
      )
    }
    return this.#probed
  }
}
