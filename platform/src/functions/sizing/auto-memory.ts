import type { FunctionDeps } from '../functions.ts'
import { readPastUse } from './read-past-use.ts'

type Deps = Pick<FunctionDeps, 'db' | 'store' | 'fleet' | 'sizing' | 'now' | 'logger'>

const lookMs = 5000

/**
 * Gives functions whose setting `autoMemory` allows it the memory that their calls show to be better: as a new version with the
 * same code, and only where all calls go to the newest one.
 */
export class AutoMemory {
  readonly #deps: Deps
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Begins with what calls of before used. */
  start(): void {
    this.#looking = this.#learn().finally(() => {
      this.#looking = undefined
    })
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined
      })
    }, lookMs).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#looking
  }

  async #learn(): Promise<void> {
    const { db, sizing, now, logger } = this.#deps
    try {
      for await (const { calls, tooLittle } of readPastUse(db, now())) {
        sizing.add(calls)
        for (const one of tooLittle) sizing.tooLittle(one)
        if (!this.#timer) return
      }
    } catch (error) {
      logger.warn({ err: error }, 'what earlier calls of functions used could not be read: it is learned anew')
    }
  }

  async #look(): Promise<void> {
    const { sizing, logger } = this.#deps
    for (const { functionId, version } of sizing.versions)
      await this.#resize(functionId, version).catch((err) =>
        logger.warn({ err, function: functionId }, 'a function could not be given other memory; it is tried again'),
      )
  }

  async #resize(functionId: string, number: number): Promise<void> {
    const { store, fleet, sizing, logger } = this.#deps
    const known = await store.byId(functionId)
    const version = known?.versions.get(number)
    if (!known || !version?.settings.autoMemory) return
    const { memoryMb } = version.settings
    const better = sizing.better(functionId, { version: number, memoryMb })
    if (better === undefined || better === memoryMb) return
    const made = await store.resize(known.record, version, better)
    if (made === undefined) return
    sizing.passOn(functionId, number, made)
    const named = [...known.aliases.values()].flatMap(({ targets }) => targets.map((target) => target.version))
    fleet.retire(functionId, new Set([made, ...named]))
    logger.info({ function: functionId, version: made, from: memoryMb, to: better }, 'a function has other memory')
  }
}
