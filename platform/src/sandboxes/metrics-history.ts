import type { Limits } from '../engine/driver.ts'
import type { Instance } from '../engine/engine.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { LiveSandboxes } from './live-sandboxes.ts'
import { type FreshMeasurement, type Measurement, measure, measured } from './measure.ts'
import type { UseMeter } from './use-meter.ts'

const everyMs = 5_000
/** Whoever asks gets one that is no older. */
const freshMs = 1_000
/** An hour of samples; what is older falls out. */
const mostSamples = 720
const firstSamples = 60
/** The disk is looked at once in so many samples, since that is asked of the sandbox itself. */
const samplesPerDisk = 6
const atOnce = 8
/** At, processor, memory, disk. */
const fields = 4

/** What a sandbox used when it was looked at. */
export interface Sampled {
  id: string
  accountId: string
  instance: Instance
  measurement: FreshMeasurement
}

/** What sandboxes used in the last hour, in memory: a restart begins anew. Sampled while they run. */
export class MetricsHistory {
  readonly #live: LiveSandboxes
  readonly #logger: Logger
  readonly #meter: UseMeter
  readonly #rings = new Map<string, Ring>()
  readonly #listeners = new Set<(sampled: Sampled) => Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #round = 0
  #sampling: Promise<void> | undefined

  constructor({ live, logger, meter }: { live: LiveSandboxes; logger: Logger; meter: UseMeter }) {
    this.#live = live
    this.#meter = meter
    this.#logger = logger
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#sampling ??= this.#sampleAll().finally(() => {
        this.#sampling = undefined
      })
    }, everyMs).unref()
  }

  /** Calls `listener` with each sample that is taken by itself, and waits for it. Answers with what takes that back. */
  onSample(listener: (sampled: Sampled) => Promise<void>): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#sampling
  }

  /** What was sampled of a sandbox, oldest first, and if it runs, what it uses now. */
  async of(id: string): Promise<Measurement[]> {
    const instance = this.#live.get(id)?.instance
    const isFresh = Date.now() - (this.#rings.get(id)?.lastAt ?? 0) < freshMs
    if (instance && !isFresh) await this.#sample(id, instance, {})
    return this.#rings.get(id)?.read() ?? []
  }

  /** The last sample of one that runs, no older than a round; undefined of one that has just begun. */
  last(id: string): Measurement | undefined {
    return this.#rings.get(id)?.read(1)[0]
  }

  async #sampleAll(): Promise<void> {
    const diskAsBefore = this.#round++ % samplesPerDisk !== 0
    const running = [...this.#live]
    for (let at = 0; at < running.length; at += atOnce) {
      const some = running.slice(at, at + atOnce)
      const samples = some.map(([id, { accountId, instance }]) =>
        this.#sampleAndTell({ id, accountId, instance }, { diskAsBefore }).catch((error) => {
          if (this.#live.get(id)?.instance === instance)
            this.#logger.debug({ err: error, sandbox: id }, 'what a sandbox uses was not measured')
        }),
      )
      await Promise.all(samples)
    }
    const tooOld = Date.now() - everyMs * mostSamples
    for (const [id, ring] of this.#rings) if (!this.#live.has(id) && ring.lastAt < tooOld) this.#rings.delete(id)
  }

  async #sampleAndTell(of: Omit<Sampled, 'measurement'>, how: { diskAsBefore: boolean }): Promise<void> {
    const measurement = await this.#sample(of.id, of.instance, how)
    for (const listener of this.#listeners) await listener({ ...of, measurement })
  }

  async #sample(id: string, instance: Instance, how: { diskAsBefore?: boolean }): Promise<FreshMeasurement> {
    const sample = await measure(instance, how)
    if (this.#live.get(id)?.instance === instance) this.#meter.sampled(id, instance, sample.usage)
    const ring = this.#rings.get(id) ?? new Ring()
    ring.add(sample, instance.limits)
    this.#rings.set(id, ring)
    return sample
  }
}

/** The last samples of one sandbox, in as little memory as numbers take. */
class Ring {
  #numbers = new Float64Array(firstSamples * fields)
  #begin = 0
  #length = 0
  #limits: Limits | undefined

  get lastAt(): number {
    return this.#length === 0 ? 0 : this.#row(this.#length - 1)[0]!
  }

  add({ at, cpuUsedPct, memUsed, diskUsed }: Measurement, limits: Limits): void {
    this.#limits = limits
    const room = this.#numbers.length / fields
    if (this.#length === room && room < mostSamples) {
      const larger = new Float64Array(Math.min(room * 2, mostSamples) * fields)
      for (let index = 0; index < this.#length; index++) larger.set(this.#row(index), index * fields)
      this.#numbers = larger
      this.#begin = 0
    }
    const full = this.#length === this.#numbers.length / fields
    if (full) this.#begin = (this.#begin + 1) % this.#length
    else this.#length++
    this.#row(this.#length - 1).set([at.getTime(), cpuUsedPct, memUsed, diskUsed])
  }

  /** The last `most` samples, oldest first. */
  read(most = this.#length): Measurement[] {
    const limits = this.#limits
    if (!limits) return []
    const length = Math.min(most, this.#length)
    return Array.from({ length }, (_, index) => {
      const [at = 0, cpuUsedPct = 0, memUsed = 0, diskUsed = 0] = this.#row(this.#length - length + index)
      return measured({ limits }, { at: new Date(at), cpuUsedPct, memUsed, diskUsed })
    })
  }

  #row(index: number): Float64Array {
    const start = ((this.#begin + index) % (this.#numbers.length / fields)) * fields
    return this.#numbers.subarray(start, start + fields)
  }
}
