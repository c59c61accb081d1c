import type { Config } from '../config.ts'
import type { Limits } from '../engine/driver.ts'
import type { Engine } from '../engine/engine.ts'
import { WarrenError } from '../errors.ts'
import type { MeteredNetworks } from '../metering/metered-networks.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { BaseDeps } from './build/base-image.ts'
import { BuildFailed } from './build/build-failed.ts'
import { BuildLog } from './build/build-log.ts'
import type { BuildNetwork } from './build/in-sandbox.ts'
import { runBuild } from './build/run-build.ts'
import { BuildQueue, type BuildQueueDeps } from './build-queue.ts'
import type { Build, RegistryCredentials } from './template.ts'
import type { TemplateRecords } from './template-records.ts'
import type { Uploads } from './uploads.ts'

export interface BuilderDeps extends Pick<BaseDeps, 'pull'>, BuildQueueDeps {
  engine: Engine
  networks: Pick<MeteredNetworks, 'open' | 'leave'>
  records: TemplateRecords
  uploads: Uploads
  /** For the account of a build, as `BaseDeps`. */
  imageOf: (accountId: string, ...rest: Parameters<BaseDeps['imageOf']>) => ReturnType<BaseDeps['imageOf']>
  limits: Limits
  /** Whether what templates start is kept with its memory. */
  starts: Config['templateStarts']
  now: () => Date
  logger: Logger
}

interface Work {
  giveUp: AbortController
  log: BuildLog
  credentials: RegistryCredentials | undefined
}

/** Builds need more than what runs in the end. */
const least = { cpuCores: 1, memoryMb: 1024, diskMb: 10_240, maxProcesses: 1024 }

/** Works on the builds that have been asked for. What was cut off by a crash is begun again: its finished steps are known. */
export class Builder {
  readonly #deps: BuilderDeps
  readonly #active = new Map<string, { giveUp: AbortController; log: BuildLog; ended: Promise<void> }>()
  readonly #queue: BuildQueue
  #closing = false

  constructor(deps: BuilderDeps) {
    this.#deps = deps
    this.#queue = new BuildQueue(deps)
  }

  /** Begins with a build whose record says `building`. Its end is in the record. */
  begin(build: Build, credentials?: RegistryCredentials): void {
    if (!build.plan || this.#active.has(build.id)) return
    const giveUp = new AbortController()
    const log = new BuildLog(this.#deps.records, build.id, this.#deps.now)
    const ended = this.#inTurn(build, { giveUp, log, credentials }).finally(() => this.#active.delete(build.id))
    this.#active.set(build.id, { giveUp, log, ended })
  }

  /** What a build is at; undefined when it is not worked on. */
  progress(buildId: string): string | undefined {
    return this.#active.get(buildId)?.log.progress
  }

  get isIdle(): boolean {
    return this.#active.size === 0
  }

  async cancel(buildId: string): Promise<void> {
    const active = this.#active.get(buildId)
    active?.giveUp.abort(new WarrenError('conflict', 'the template was deleted while it was built'))
    await active?.ended
  }

  /** Lets go of all builds, to be begun again by the next process. */
  async close(): Promise<void> {
    this.#closing = true
    for (const { giveUp } of this.#active.values()) giveUp.abort(new Error('the platform stops'))
    await Promise.all([...this.#active.values()].map(({ ended }) => ended))
  }

  async #inTurn(build: Build, work: Work): Promise<void> {
    const { giveUp, log } = work
    const { cpuCores, memoryMb } = buildLimits(this.#deps.limits, build)
    // The COPY of another stage or image has a sandbox of each.
    const sandboxes = build.plan?.dockerfile && /--from=/i.test(build.plan.dockerfile.text) ? 2 : 1
    let told = ''
    const onFull = (why: string) => {
      if (why !== told) log.say(`Waiting: ${why}`)
      told = why
    }
    const most = { cpuCores: cpuCores * sandboxes, memoryMb: memoryMb * sandboxes }
    try {
      const leave = await this.#queue.turn({ accountId: build.accountId, ...most, onFull }, giveUp.signal)
      await this.#run(build, work).finally(leave)
    } catch (error) {
      await this.#end(build, error, log)
    }
  }

  async #run(build: Build, { giveUp, log, credentials }: Work): Promise<void> {
    const { engine, records, uploads, pull, now, limits, starts } = this.#deps
    const { signal } = giveUp
    try {
      await records.clearLogs(build.id)
      const place = {
        engine,
        buildId: build.id,
        limits: buildLimits(limits, build),
        log,
        network: this.#networkOf(build, log),
      }
      const ways = {
        pull,
        startLimits: { ...limits, ...build.limits },
        ...(starts === 'anew' ? { keepsNoStart: 'the operator wants it so (WARREN_TEMPLATE_STARTS)' } : {}),
        imageOf: (template: string, signal: AbortSignal) => this.#deps.imageOf(build.accountId, template, signal),
        openUpload: (hash: string) => uploads.read(build.accountId, hash),
      }
      const image = await runBuild({ ...place, ...ways }, { ...build.plan!, credentials }, signal)
      signal.throwIfAborted()
      await engine.images.record(build.id, image)
      await log.flush()
      await records.markReady(build, now())
    } catch (error) {
      await this.#end(build, error, log)
    }
  }

  /** The platform's own templates are nobody's. */
  #networkOf({ id, accountId, templateId }: Build, log: BuildLog): BuildNetwork {
    const { networks } = this.#deps
    const onShut = () =>
      log.say('The network is shut: the organisation has sent what it may in a day (quota egressMbPerDay)', {
        level: 'warn',
      })
    const sender = { accountId, resource: templateId, attributes: { build: id }, onShut }
    return {
      open: async (instance) => {
        if (accountId !== '' && instance.spec.network) await networks.open(instance, sender)
      },
      leave: (instance) => networks.leave(instance),
    }
  }

  async #end(build: Build, error: unknown, log: BuildLog): Promise<void> {
    await this.#settle(build, error, log).catch((err) =>
      this.#deps.logger.error({ err, build: build.id }, 'the end of a build was not recorded'),
    )
  }

  async #settle(build: Build, error: unknown, log: BuildLog): Promise<void> {
    if (this.#closing) return log.flush()
    const { records, now, logger } = this.#deps
    const isOurs = !(error instanceof BuildFailed || error instanceof WarrenError)
    if (isOurs) logger.error({ err: error, build: build.id }, 'a build broke')
    const message = isOurs ? 'internal error: the log of the platform tells more' : (error as Error).message
    const step = error instanceof BuildFailed ? error.step : undefined
    log.say(`Build failed: ${message}`, { level: 'error', ...(step === undefined ? {} : { step }) })
    await log.flush()
    await records.markFailed(build, { message, ...(step === undefined ? {} : { step }) }, now())
  }
}

function buildLimits(limits: Limits, { limits: own }: Build): Limits {
  return {
    ...limits,
    cpuCores: Math.max(limits.cpuCores, least.cpuCores, own.cpuCores ?? 0),
    memoryMb: Math.max(limits.memoryMb, least.memoryMb, own.memoryMb ?? 0),
    diskMb: Math.max(limits.diskMb, least.diskMb),
    maxProcesses: Math.max(limits.maxProcesses, least.maxProcesses),
  }
}
