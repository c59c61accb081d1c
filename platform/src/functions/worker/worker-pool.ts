import type { Isolation, Limits } from '../../engine/driver.ts'
import type { Engine, Instance } from '../../engine/engine.ts'
import { functionsTemplate } from '../../engine/images/images.ts'
import { Fleet } from '../../kernel/forecasts/arrivals.ts'
import { PoolForecast } from '../../kernel/forecasts/pool-forecast.ts'
import { Pending } from '../../lib/pending.ts'
import type { MeteredNetworks } from '../../metering/metered-networks.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { type CompleteSettings, completeSettings, type FunctionRuntime, most } from '../function.ts'
import { Worker } from './worker.ts'

export interface WorkerPoolDeps {
  engine: Engine
  networks: Pick<MeteredNetworks, 'open' | 'leave'>
  logger: Logger
  /** How many generic workers of each runtime that is used are kept ready; more while more are foreseen to be claimed. */
  size: number
  /** The driver functions run by; without it the strongest that is healthy. */
  driver: string | undefined
  isolation: Isolation
  /** Whether functions that do not say reach the internet. */
  internet: boolean
}

/** Whose code runs in an instance. */
export interface Tenant {
  accountId: string
  /** The function; while it is deployed for the first time it has no id. */
  id?: string
  name: string
}

/** So many times as many as the operator's number are kept ready at most. */
const mostTimes = 4
const maxProcesses = 256
const maxOpenFiles = 4096
/** The call that a worker was claimed for goes before the start of another: that waits until its code is loaded, and so long beside. */
const refillMs = 20
/** Unless that takes longer. */
const mostLoadMs = 500
const retryMs = { first: 2000, most: 300_000 }
/** Lists of modules that workers wait with; the one used longest ago goes for another. */
const mostLists = 8

/** What a worker has before it has code. */
export interface WorkerKind {
  runtime: FunctionRuntime
  preload: readonly string[]
}

/** Ready workers of one kind. */
interface Shelf {
  kind: WorkerKind
  workers: Worker[]
  filling: boolean
  /** How many to keep ready. */
  claims: PoolForecast
  /** Starts that failed since the last one that did not. */
  failures: number
}

/** Workers that have no code yet, each in a sandbox of its own, and new ones where none waits. */
export class WorkerPool {
  readonly #deps: WorkerPoolDeps
  /** By kind, the one used last at the end. */
  readonly #ready = new Map<string, Shelf>()
  readonly #underWay = new Pending()
  readonly #closing = new AbortController()
  readonly #generic = completeSettings({})
  /** What the claims of all kinds have taught. */
  readonly #claims = new Fleet()
  readonly #afterEnd = new WeakMap<Worker, () => Promise<void>>()
  readonly #ending = new WeakMap<Worker, Promise<void>>()

  constructor(deps: WorkerPoolDeps) {
    this.#deps = deps
  }

  /** From now on some of this kind are kept ready. */
  use(kind: WorkerKind): void {
    this.#shelf(kind)
  }

  /** A worker with these limits that nobody else has or will have. `ready` says whether it waited already. */
  async claim(
    tenant: Tenant,
    { runtime, settings }: { runtime: FunctionRuntime; settings: CompleteSettings },
    signal: AbortSignal,
  ): Promise<{ worker: Worker; ready: boolean }> {
    const kind = { runtime, preload: settings.preload }
    const shelf = this.#ready.get(keyOf(kind))
    shelf?.claims.claimed()
    const worker = shelf && this.#take(shelf, settings)
    const claimed = worker ?? (await this.#start(kind, limitsOf(settings), signal))
    // Not before one of that kind could be started: modules that are not there would be tried for ever.
    this.use(kind)
    try {
      if (worker) await this.#adapt(worker.instance, settings)
      if (settings.internet ?? this.#deps.internet) await this.#connect(claimed.instance, tenant)
      return { worker: claimed, ready: worker !== undefined }
    } catch (error) {
      // Before that what it has is not free.
      await this.end(claimed)
      throw error
    }
  }

  #connect(instance: Instance, { accountId, id, name }: Tenant): Promise<void> {
    return this.#deps.networks.open(instance, { accountId, resource: id, attributes: { function: name } })
  }

  /** What is done when nothing of a worker is left. */
  afterEnd(worker: Worker, act: () => Promise<void>): void {
    this.#afterEnd.set(worker, act)
  }

  /** A minute has ended: how many are kept ready is foreseen anew. */
  foresee(): void {
    for (const shelf of this.#ready.values()) {
      shelf.claims.advance()
      while (shelf.workers.length > shelf.claims.size) void this.end(shelf.workers.shift()!)
      this.#fill(shelf)
    }
  }

  /** How many wait, of all kinds. */
  get ready(): number {
    return [...this.#ready.values()].reduce((sum, { workers }) => sum + workers.length, 0)
  }

  /** Removes a worker and its sandbox; what fails the engine tries again. Resolves when what it had is free. */
  end(worker: Worker): Promise<void> {
    const known = this.#ending.get(worker)
    if (known !== undefined) return known
    worker.close()
    const ending = this.#underWay.add(this.#end(worker))
    this.#ending.set(worker, ending)
    return ending
  }

  async #end(worker: Worker): Promise<void> {
    const { engine, networks, logger } = this.#deps
    try {
      await Promise.all([worker.time.close(), networks.leave(worker.instance)])
      await engine.stop(worker.instance.id)
    } catch (error) {
      logger.warn({ err: error }, 'a worker of functions could not be removed at once')
    }
    await this.#afterEnd.get(worker)?.()
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the platform is stopping'))
    for (const { workers } of this.#ready.values()) for (const worker of workers.splice(0)) void this.end(worker)
    await this.#underWay.over()
  }

  #shelf(kind: WorkerKind): Shelf {
    const key = keyOf(kind)
    const known = this.#ready.get(key)
    const { size } = this.#deps
    const claims = known?.claims ?? new PoolForecast(this.#claims, { least: size, most: size * mostTimes })
    const shelf = known ?? { kind, workers: [], filling: false, claims, failures: 0 }
    this.#ready.delete(key)
    this.#ready.set(key, shelf)
    if (known) return shelf
    const lists = [...this.#ready].filter(([, other]) => other.kind.preload.length > 0)
    for (const [oldest, { workers }] of lists.slice(0, Math.max(0, lists.length - mostLists))) {
      this.#ready.delete(oldest)
      for (const worker of workers.splice(0)) void this.end(worker)
    }
    this.#fill(shelf)
    return shelf
  }

  #take(shelf: Shelf, settings: CompleteSettings): Worker | undefined {
    const { workers } = shelf
    // What is fixed at the start is as in those that wait, or one is started.
    const fits = settings.diskMb === this.#generic.diskMb
    const place = fits ? workers.findIndex((worker) => worker.usable && canAdapt(worker.instance, settings)) : -1
    if (place < 0) return undefined
    const [worker] = workers.splice(place, 1)
    this.#fillSoon(shelf, worker!)
    return worker
  }

  async #adapt(instance: Instance, settings: CompleteSettings): Promise<void> {
    const limits = limitsOf(settings)
    const { cpuCores, memoryMb } = instance.limits
    if (limits.cpuCores !== cpuCores || limits.memoryMb !== memoryMb) await instance.setLimits(limits)
  }

  #fillSoon(shelf: Shelf, { loaded }: Worker): void {
    const fill = () => this.#fill(shelf)
    const fillSoon = () => {
      clearTimeout(late)
      setTimeout(fill, refillMs).unref()
    }
    const late = setTimeout(fill, mostLoadMs).unref()
    loaded.then(fillSoon, fillSoon)
  }

  #fill(shelf: Shelf): void {
    if (!this.#isKept(shelf)) return
    const { kind, workers } = shelf
    const dead = workers.filter(({ usable }) => !usable)
    for (const worker of dead) {
      workers.splice(workers.indexOf(worker), 1)
      void this.end(worker)
    }
    // One at a time: they are there for calls, which go first.
    if (workers.length >= shelf.claims.size || shelf.filling) return
    shelf.filling = true
    const starting = this.#start(kind, limitsOf(this.#generic), this.#closing.signal).then(
      (worker) => {
        shelf.filling = false
        shelf.failures = 0
        if (!this.#isKept(shelf)) return void this.end(worker)
        workers.push(worker)
        this.#fill(shelf)
      },
      (error) => {
        shelf.filling = false
        if (this.#closing.signal.aborted) return
        this.#deps.logger.warn({ err: error, ...kind }, 'a worker of functions could not be started')
        const pauseMs = Math.min(retryMs.first * 2 ** shelf.failures++, retryMs.most)
        setTimeout(() => this.#fill(shelf), pauseMs).unref()
      },
    )
    void this.#underWay.add(starting)
  }

  #isKept(shelf: Shelf): boolean {
    return !this.#closing.signal.aborted && [...this.#ready.values()].includes(shelf)
  }

  async #start({ runtime, preload }: WorkerKind, limits: Limits, signal: AbortSignal): Promise<Worker> {
    const { engine, driver, isolation } = this.#deps
    const wanted = { min: isolation, ...(driver === undefined ? {} : { driver }) }
    const request = { owner: 'functions', template: functionsTemplate, limits, env: {}, isolation: wanted }
    const { instance } = await engine.start(request, signal)
    try {
      const limits = { logBytes: most.logBytes, resultBytes: most.resultBytes }
      return await Worker.start(instance, { runtime, preload, limits }, signal)
    } catch (error) {
      await engine.stop(instance.id)
      throw error
    }
  }
}

function keyOf({ runtime, preload }: WorkerKind): string {
  return [runtime, ...preload.toSorted()].join(' ')
}

function limitsOf({ cpuCores, memoryMb, diskMb }: CompleteSettings): Limits {
  return { cpuCores, memoryMb, diskMb, maxProcesses, maxOpenFiles }
}

function canAdapt({ driver, limits }: Instance, settings: CompleteSettings): boolean {
  return !driver.limitsAreFixed || (limits.cpuCores === settings.cpuCores && limits.memoryMb === settings.memoryMb)
}
