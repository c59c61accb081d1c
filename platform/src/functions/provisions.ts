import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Demand } from './demand/demand.ts'
import { readPastCalls } from './demand/read-past-calls.ts'
import type { Fleet, Kept } from './fleet.ts'
import type { FunctionStore, KnownFunction } from './store.ts'
import type { WorkerPool } from './worker/worker-pool.ts'

/** What another process changed, an instance that died, and the end of a minute is seen so late, milliseconds. */
const lookMs = 2000
/** A start learns what came in so many minutes before it. */
const pastMinutes = 360

interface ProvisionsDeps {
  db: Database
  store: FunctionStore
  fleet: Fleet
  pool: WorkerPool
  demand: Demand
  /** Whether forecasts decide which instances are kept and made beforehand. */
  foresees: boolean
  now: () => Date
  logger: Logger
}

/**
 * Keeps instances of the versions that calls go to: as many as their `minInstances` say, and as many as pays by what is foreseen
 * of their calls.
 */
export class Provisions {
  readonly #deps: ProvisionsDeps
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #again = false
  #hasLearned = false
  #hasDecided = false

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
    const { fleet, pool } = this.#deps
    const isNewMinute = await this.#foresee()
    const promised = await this.#promised()
    const foreseen = await this.#foreseen(promised)
    if (!this.#timer) return
    if (isNewMinute) pool.foresee()
    fleet.keep([...promised, ...foreseen])
    if (isNewMinute) fleet.trim()
  }

  /** Whether there is a new forecast. */
  async #foresee(): Promise<boolean> {
    const { db, demand, foresees, now, logger } = this.#deps
    if (!foresees) return false
    if (!this.#hasLearned) {
      this.#hasLearned = true
      try {
        const before = { now: now(), minutes: pastMinutes }
        await demand.learn(await readPastCalls(db, before), before)
      } catch (error) {
        logger.warn({ err: error }, 'earlier calls of functions could not be read: forecasts begin without them')
      }
    }
    const isNew = await demand.advance()
    const decides = isNew || !this.#hasDecided
    this.#hasDecided = true
    return decides
  }

  /** What settings ask for. */
  async #promised(): Promise<Kept[]> {
    const { db, store } = this.#deps
    const { rows } = await db.pool.query<{ function_id: string }>({
      name: 'function-provisions',
      text: `select distinct function_id from function_versions where (settings ->> 'minInstances')::int > 0`,
    })
    const known = await Promise.all(rows.map((row) => store.byId(row.function_id)))
    return known.flatMap((one) =>
      liveOf(one).flatMap(({ record, version, share }) => {
        const { minInstances: least } = version.settings
        return least > 0 ? [{ record, version, least, foreseen: this.#instances(record.id, version, share) }] : []
      }),
    )
  }

  /** What pays of the others, the surest first. */
  async #foreseen(promised: readonly Kept[]): Promise<Kept[]> {
    const { demand, fleet, foresees, store } = this.#deps
    if (!foresees) return []
    const others = new Set(promised.map(({ version }) => version))
    const concerned = demand.functions.filter((id) => fleet.sizeOf(id) > 0 || demand.instances(id, whole) > 0)
    const probabilityOf = (id: string) => demand.forecast(id)?.probability ?? 0
    concerned.sort((a, b) => probabilityOf(b) - probabilityOf(a))
    const known = await Promise.all(concerned.map((id) => store.byId(id)))
    return known.flatMap((one) =>
      liveOf(one).flatMap(({ record, version, share }) =>
        others.has(version)
          ? []
          : [{ record, version, least: 0, foreseen: this.#instances(record.id, version, share) }],
      ),
    )
  }

  #instances(functionId: string, version: Live['version'], share: number): number | undefined {
    const { demand, fleet, foresees } = this.#deps
    if (!foresees) return undefined
    const { concurrency } = version.settings
    const instances = demand.instances(functionId, { share, concurrency })
    return instances === 0 && demand.lingers(functionId)
      ? Math.min(1, fleet.sizeOf(functionId, version.version))
      : instances
  }
}

const whole = { share: 1, concurrency: 1 }

type Live = Pick<Kept, 'record' | 'version'> & { share: number }

/** The versions that calls go to which name none, with their part of them. */
function liveOf(known: KnownFunction | undefined): Live[] {
  if (!known) return []
  const { record, versions } = known
  const sum = record.live.reduce((total, { weight }) => total + weight, 0)
  return record.live.flatMap(({ version: number, weight }) => {
    const version = versions.get(number)
    return version && weight > 0 ? [{ record, version, share: weight / sum }] : []
  })
}
