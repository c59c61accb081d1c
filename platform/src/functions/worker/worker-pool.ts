import type { Isolation, Limits } from '../../engine/driver.ts'
import type { Engine, Instance } from '../../engine/engine.ts'
import { functionsTemplate } from '../../engine/images/images.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { type CompleteSettings, completeSettings, type FunctionRuntime, most } from '../function.ts'
import { Worker } from './worker.ts'

export interface WorkerPoolDeps {
  engine: Engine
  logger: Logger
  /** How many generic workers of each runtime that is used are kept ready. */
  size: number
  /** The driver functions run by; without it the strongest that is healthy. */
  driver: string | undefined
  isolation: Isolation
  /** Whether functions that do not say reach the internet. */
  internet: boolean
}

const maxProcesses = 256
const maxOpenFiles = 4096
/** Refilling waits so long after a claim: the call it was for goes first. */
const refillMs = 20
const retryMs = 2000

/** Workers that have no code yet, each in a sandbox of its own, and new ones where none waits. */
export class WorkerPool {
  readonly #deps: WorkerPoolDeps
  readonly #ready = new Map<FunctionRuntime, Worker[]>()
  readonly #starting = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()
  readonly #generic = completeSettings({})

  constructor(deps: WorkerPoolDeps) {
    this.#deps = deps
  }

  /** From now on some of this runtime are kept ready. */
  use(runtime: FunctionRuntime): void {
    if (this.#ready.has(runtime)) return
    this.#ready.set(runtime, [])
    this.#fill(runtime)
  }

  /** A worker with these limits that nobody else has or will have. `ready` says whether it waited already. */
  async claim(
    runtime: FunctionRuntime,
    settings: CompleteSettings,
    signal: AbortSignal,
  ): Promise<{ worker: Worker; ready: boolean }> {
    this.use(runtime)
    const worker = this.#take(runtime, settings)
    const claimed = worker ?? (await this.#start(runtime, limitsOf(settings), signal))
    try {
      if (worker) await this.#adapt(worker.instance, settings)
      const internet = settings.internet ?? this.#deps.internet
      if (internet) await this.#deps.engine.network.set(claimed.instance, { internet, allow: [], deny: [] })
      return { worker: claimed, ready: worker !== undefined }
    } catch (error) {
      this.end(claimed)
      throw error
    }
  }

  /** Removes a worker and its sandbox, in the background; what fails the engine tries again. */
  end(worker: Worker): void {
    worker.close()
    const ending: Promise<unknown> = worker.time
      .close()
      .then(() => this.#deps.engine.stop(worker.instance.id))
      .catch((error) => this.#deps.logger.warn({ err: error }, 'a worker of functions could not be removed at once'))
      .finally(() => this.#starting.delete(ending))
    this.#starting.add(ending)
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the platform is stopping'))
    for (const workers of this.#ready.values()) for (const worker of workers.splice(0)) this.end(worker)
    while (this.#starting.size > 0) await Promise.allSettled(this.#starting)
  }

  #take(runtime: FunctionRuntime, settings: CompleteSettings): Worker | undefined {
    const workers = this.#ready.get(runtime)!
    // What is fixed at the start is as in those that wait, or one is started.
    const fits = settings.diskMb === this.#generic.diskMb
    const place = fits ? workers.findIndex((worker) => worker.usable && canAdapt(worker.instance, settings)) : -1
    if (place < 0) return undefined
    const [worker] = workers.splice(place, 1)
    this.#fillSoon(runtime)
    return worker
  }

  async #adapt(instance: Instance, settings: CompleteSettings): Promise<void> {
    const limits = limitsOf(settings)
    const { cpuCores, memoryMb } = instance.limits
    if (limits.cpuCores !== cpuCores || limits.memoryMb !== memoryMb) await instance.setLimits(limits)
  }

  #fillSoon(runtime: FunctionRuntime): void {
    setTimeout(() => this.#fill(runtime), refillMs).unref()
  }

  #fill(runtime: FunctionRuntime): void {
    if (this.#closing.signal.aborted) return
    const workers = this.#ready.get(runtime)!
    const dead = workers.filter(({ usable }) => !usable)
    for (const worker of dead) {
      workers.splice(workers.indexOf(worker), 1)
      this.end(worker)
    }
    if (workers.length >= this.#deps.size) return
    // One at a time: they are there for calls, which go first.
    if (this.#filling.has(runtime)) return
    this.#filling.add(runtime)
    const starting: Promise<unknown> = this.#start(runtime, limitsOf(this.#generic), this.#closing.signal)
      .then(
        (worker) => {
          this.#filling.delete(runtime)
          if (this.#closing.signal.aborted) return this.end(worker)
          workers.push(worker)
          this.#fill(runtime)
        },
        (error) => {
          this.#filling.delete(runtime)
          if (this.#closing.signal.aborted) return
          this.#deps.logger.warn({ err: error, runtime }, 'a worker of functions could not be started')
          setTimeout(() => this.#fill(runtime), retryMs).unref()
        },
      )
      .finally(() => this.#starting.delete(starting))
    this.#starting.add(starting)
  }

  readonly #filling = new Set<FunctionRuntime>()

  async #start(runtime: FunctionRuntime, limits: Limits, signal: AbortSignal): Promise<Worker> {
    const { engine, driver, isolation } = this.#deps
    const wanted = { min: isolation, ...(driver === undefined ? {} : { driver }) }
    const request = { owner: 'functions', template: functionsTemplate, limits, env: {}, isolation: wanted }
    const { instance } = await engine.start(request, signal)
    try {
      return await Worker.start(instance, {
        runtime,
        limits: { logBytes: most.logBytes, resultBytes: most.resultBytes },
      })
    } catch (error) {
      await engine.stop(instance.id)
      throw error
    }
  }
}

function limitsOf({ cpuCores, memoryMb, diskMb }: CompleteSettings): Limits {
  return { cpuCores, memoryMb, diskMb, maxProcesses, maxOpenFiles }
}

function canAdapt({ driver, limits }: Instance, settings: CompleteSettings): boolean {
  return !driver.limitsAreFixed || (limits.cpuCores === settings.cpuCores && limits.memoryMb === settings.memoryMb)
}
