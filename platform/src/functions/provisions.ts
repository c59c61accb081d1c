import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Fleet } from './fleet.ts'
import type { FunctionStore } from './store.ts'

/** What another process changed, and an instance that died, is seen so late, milliseconds. */
const lookMs = 2000

interface ProvisionsDeps {
  db: Database
  store: FunctionStore
  fleet: Fleet
  logger: Logger
}

/** Keeps as many instances of the versions that calls go to as their `minInstances` say. */
export class Provisions {
  readonly #deps: ProvisionsDeps
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #again = false

  constructor(deps: ProvisionsDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#timer = setInterval(() => this.wake(), lookMs).unref()
    this.wake()
  }

  /** Some function has changed. */
  wake(): void {
    this.#again = true
    if (this.#timer && !this.#looking) void this.#look()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #look(): Promise<void> {
    this.#looking = true
    try {
      while (this.#again && this.#timer) {
        this.#again = false
        await this.#keep()
      }
    } catch (error) {
      this.#deps.logger.warn({ err: error }, 'which functions keep instances could not be read; it is tried again')
    } finally {
      this.#looking = false
    }
  }

  async #keep(): Promise<void> {
    const { db, store, fleet } = this.#deps
    const { rows } = await db.pool.query<{ function_id: string }>({
      name: 'function-provisions',
      text: `select distinct function_id from function_versions where (settings ->> 'minInstances')::int > 0`,
    })
    const known = await Promise.all(rows.map((row) => store.byId(row.function_id)))
    if (!this.#timer) return
    fleet.keep(
      known.flatMap((one) => {
        if (!one) return []
        const { record, versions } = one
        const live = record.live.filter(({ weight }) => weight > 0).map(({ version }) => versions.get(version))
        return live.flatMap((version) => (version?.settings.minInstances ? [{ record, version }] : []))
      }),
    )
  }
}
