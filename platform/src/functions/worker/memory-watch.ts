import type { Instance } from '../../engine/engine.ts'

/** How often a sandbox with calls is asked whether memory was taken from it, milliseconds. */
const everyMs = 500

interface Options {
  /** Whether it has calls. */
  isBusy: () => boolean
  onLost: () => void
}

/**
 * A sandbox with a kernel of its own may stand still for ever when the host takes memory from it: then nobody tells that the
 * program has ended, and it must be asked. In others the program itself ends, and says so.
 */
export class MemoryWatch {
  readonly #instance: Instance
  readonly #options: Options
  readonly #isNeeded: boolean
  #timer: NodeJS.Timeout | undefined

  constructor(instance: Instance, options: Options) {
    this.#instance = instance
    this.#options = options
    this.#isNeeded = instance.driver.isolation === 'userspace-kernel'
  }

  /** Asks again and again, as long as it is busy. */
  watch(): void {
    if (this.#timer || !this.#isNeeded) return
    this.#timer = setInterval(async () => {
      const { isBusy, onLost } = this.#options
      if (isBusy() && (await this.isLost())) onLost()
      if (isBusy()) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }, everyMs).unref()
  }

  async isLost(): Promise<boolean> {
    if (!this.#isNeeded) return false
    const usage = await this.#instance.usage().catch(() => undefined)
    return (usage?.oomKills ?? 0) > 0
  }
}
