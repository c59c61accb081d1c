import { setTimeout as sleep } from 'node:timers/promises'
import type { Transaction } from 'kysely'
import type { Usage } from '../engine/driver.ts'
import type { Instance } from '../engine/engine.ts'
import type { InstanceNetwork } from '../engine/instance-network.ts'
import type { SlotBytes } from '../engine/network/messages.ts'
import type { EventBus } from '../events/bus.ts'
import { changedWithin } from '../events/changed-within.ts'
import { consume } from '../events/consume.ts'
import type { RecordedEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type BootTime, bootTimeOfHost, turnClock, wasBefore } from './clock.ts'
import { type Egress, OpenUsage, openIntervals, subjectsToClose } from './open-usage.ts'
import { forgetSamples, recordSamples, type Sample } from './samples.ts'

/** What was seen of sandboxes is recorded this often; what failed is tried again after so long, milliseconds. */
const recordEveryMs = 10_000
const againMs = 1_000
/** Whoever pauses or ends a sandbox waits no longer than this for it to be measured, milliseconds. */
const patienceMs = 1_000
/** What nobody waits for is recorded so much later, milliseconds. */
const gatherMs = 50

interface MeterOptions {
  db: Database
  bus: Pick<EventBus, 'end' | 'changed'>
  network: Pick<InstanceNetwork, 'counters' | 'isReleased'>
  logger: Logger
  bootTime?: BootTime
}

/**
 * Makes facts of what is used. When something begins, pauses and ends it reads in the outbox, in the transaction in which it
 * changes its own tables; what it used, from samples that are recorded while it runs and right before it goes.
 */
export class Meter {
  readonly #db: Database
  readonly #bus: MeterOptions['bus']
  readonly #network: Pick<InstanceNetwork, 'counters' | 'isReleased'>
  readonly #logger: Logger
  readonly #bootTime: BootTime
  #seen = new Map<string, { instance: Instance; usage: Usage | undefined; atMs: number }>()
  #looks: Look[] = []
  /** What is there of which only the network is metered. */
  readonly #connected = new Map<string, { instance: Instance; leaves: boolean }>()
  /** What of it has been looked at for the last time, until its interval is closed. */
  readonly #gone = new Set<string>()
  #connecting: Egress[] = []
  #gathering: NodeJS.Timeout | undefined
  /** One record of samples after the other: an older one must not come after a newer. */
  #recording: Promise<void> = Promise.resolve()
  readonly #ending = new AbortController()
  #running: Promise<void> | undefined
  #recordedAtMs = performance.now()

  constructor({ db, bus, network, logger, bootTime = bootTimeOfHost }: MeterOptions) {
    this.#db = db
    this.#bus = bus
    this.#network = network
    this.#logger = logger
    this.#bootTime = bootTime
  }

  /** Looked at now and recorded soon, together with others: nobody waits for it, and what follows comes first. */
  begins(id: string, instance: Instance): void {
    this.#look(id, instance, 'first')
    this.#gathering ??= setTimeout(() => void this.#recordLooks(), gatherMs).unref()
  }

  /** Of what no event tells: what it sends and receives is metered from now on, and nothing else. */
  connects(egress: Egress, instance: Instance): void {
    this.#connected.set(egress.subject, { instance, leaves: false })
    this.#connecting.push(egress)
    this.#look(egress.subject, instance, 'first')
    this.#gathering ??= setTimeout(() => void this.#recordLooks(), gatherMs).unref()
  }

  /** It is about to end: the last moment to look at it. Never rejects. */
  async disconnects(id: string): Promise<void> {
    const connected = this.#connected.get(id)
    if (!connected || connected.leaves) return
    connected.leaves = true
    this.#look(id, connected.instance, 'last')
    const recorded = this.#recordLooks().then(() => this.#gone.add(id))
    await Promise.race([recorded, sleep(patienceMs, undefined, { ref: false })])
  }

  async leaves(id: string, instance: Instance): Promise<void> {
    this.#seen.delete(id)
    this.#look(id, instance, 'last')
    await Promise.race([this.#recordLooks(), sleep(patienceMs, undefined, { ref: false })])
  }

  sampled(id: string, instance: Instance, usage: Usage | undefined): void {
    this.#seen.set(id, { instance, usage, atMs: performance.now() })
  }

  /**
   * After what an earlier process left was settled: what it found is in the outbox by then. A worker only records what it
   * sees; the platform makes facts of it.
   */
  start({ makesFacts = true } = {}): void {
    this.#running = this.#run(makesFacts)
  }

  async close(): Promise<void> {
    this.#ending.abort()
    await this.#running
    await this.#record()
  }

  /** Makes facts of everything that was told until now. */
  async catchUp(): Promise<void> {
    while ((await this.#turn()) > 0);
  }

  /** What is done from time to time beside: full hours are closed, and other limits. */
  async round(): Promise<void> {
    const gone = new Set(this.#gone)
    await this.#turn(gone)
    for (const id of gone) {
      this.#connected.delete(id)
      this.#gone.delete(id)
    }
  }

  async #run(makesFacts: boolean): Promise<void> {
    const { signal } = this.#ending
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const since = this.#bus.end
      let waitMs = againMs
      try {
        const isDue = isFirst || performance.now() - this.#recordedAtMs >= recordEveryMs
        if (isDue) {
          this.#recordedAtMs = performance.now()
          await this.#record()
        }
        if (isDue && makesFacts) await this.round()
        if (makesFacts) await this.catchUp()
        waitMs = Math.max(0, this.#recordedAtMs + recordEveryMs - performance.now())
      } catch (error) {
        if (!signal.aborted) this.#logger.warn({ err: error }, 'use was not made into facts; it is tried again')
      }
      await changedWithin(this.#bus, { since, ms: waitMs, signal })
    }
  }

  /** With `gone` it is a round: of these the last that is seen was recorded before. */
  #turn(gone?: ReadonlySet<string>): Promise<number> {
    const always = gone !== undefined
    return consume(this.#db, { consumer: 'metering', always }, (tx, events) => this.#follow(tx, events, gone))
  }

  async #follow(tx: Transaction<Tables>, events: RecordedEvent[], gone?: ReadonlySet<string>): Promise<void> {
    const isRound = gone !== undefined
    const clock = await turnClock(tx, this.#bootTime)
    const subjects = [...events.map((event) => event.subject), ...(isRound ? await subjectsToClose(tx) : [])]
    const open = await OpenUsage.load(tx, clock.turn, clock.jumpMs !== 0 ? 'all' : [...new Set(subjects)])
    let isSet = clock.jumpMs === 0
    for (const event of events) {
      if (!isSet && !wasBefore(event.at, clock)) {
        open.setClock(clock)
        isSet = true
      }
      open.follow(event)
    }
    if (!isSet) open.setClock(clock)
    if (isRound) {
      // What this process does not know was that of an earlier one, whose instances have ended.
      open.closeEgress((id) => gone.has(id) || !this.#connected.has(id))
      open.closeLimits()
      open.closeHours(clock.now)
    }
    await open.save(tx)
    if (isRound) await forgetSamples(tx)
  }

  /** What one begins with comes before what it has come to. */
  async #record(): Promise<void> {
    await this.#recordLooks()
    await this.#recordSeen()
  }

  /** One statement for all that run, whatever their number. */
  #recordSeen(): Promise<void> {
    const seen = this.#seen
    this.#seen = new Map()
    const atMs = performance.now()
    for (const [id, { instance }] of this.#connected) seen.set(id, { instance, usage: undefined, atMs })
    return this.#inTurn(async () => {
      const bytes = seen.size === 0 ? [] : await this.#network.counters()
      const bySlot = new Map(bytes.map((one) => [one.slot, one]))
      // The network of one that leaves is soon another's, and of one that has left it may be by now: it was seen before these were read.
      const there = [...seen].filter(([id]) => !this.#connected.get(id)?.leaves)
      const samples = there.map(([subject, { instance, usage, atMs }]) => {
        const slot = this.#network.isReleased(instance) ? undefined : instance.spec.network?.slot
        return sampleOf({ subject, instance, usage, atMs, bytes: bySlot.get(slot ?? -1) }, 'running')
      })
      await recordSamples(this.#db, samples)
    })
  }

  #look(subject: string, instance: Instance, moment: 'first' | 'last'): void {
    const atMs = performance.now()
    const usage = this.#connected.has(subject) ? undefined : instance.usage()
    const looked = Promise.all([
      // Of one that ended by itself only its network is left.
      moment === 'last' ? usage?.catch(() => undefined) : usage,
      // What is asked for before it is given back is answered before.
      this.#network.isReleased(instance) ? [] : this.#network.counters(instance),
    ])
    const sample = looked.then(([usage, [bytes]]) => sampleOf({ subject, instance, usage, atMs, bytes }, moment))
    sample.catch(() => {})
    this.#looks.push({ subject, sample })
  }

  /** What comes in while a statement is under way goes together with the next one. */
  #recordLooks(): Promise<void> {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    return this.#inTurn(async () => {
      const begun = this.#connecting
      if (begun.length > 0) await step('usage.open', begun[0]!.subject, () => openIntervals(this.#db.kysely, begun))
      this.#connecting = this.#connecting.slice(begun.length)
      let failed: PromiseRejectedResult | undefined
      while (this.#looks.length > 0) {
        const taken = eachOnce(this.#looks)
        const settled = await Promise.allSettled(taken.map((look) => look.sample))
        await recordSamples(
          this.#db,
          settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
        )
        // Those that a statement did not take wait for the next one.
        this.#looks = this.#looks.slice(taken.length)
        failed ??= settled.find((one) => one.status === 'rejected')
      }
      if (failed) throw failed.reason
    })
  }

  #inTurn(record: () => Promise<void>): Promise<void> {
    this.#recording = this.#recording.then(record).catch((error) => {
      this.#logger.warn({ err: error }, 'what sandboxes use was not recorded; the next time makes up for it')
    })
    return this.#recording
  }
}

interface Look {
  subject: string
  sample: Promise<Sample>
}

/** The first ones up to where a subject comes again. */
function eachOnce(looks: readonly Look[]): readonly Look[] {
  const known = new Set<string>()
  const again = looks.findIndex(({ subject }) => known.size === known.add(subject).size)
  return again < 0 ? looks.slice() : looks.slice(0, again)
}

function sampleOf(
  seen: {
    subject: string
    instance: Instance
    usage: Usage | undefined
    atMs: number
    bytes: SlotBytes | undefined
  },
  moment: Sample['moment'],
): Sample {
  const { subject, instance, usage, atMs, bytes } = seen
  const { memoryMb, diskMb } = instance.limits
  return {
    subject,
    atMs,
    cpu: usage && { counter: usage.cpuCounter, usec: usage.cpuUsec },
    heldBytes: usage?.memoryBytes,
    network: bytes && { counter: bytes.counter, bytesIn: bytes.received, bytesOut: bytes.sent },
    limits: { memoryMb, diskMb },
    moment,
  }
}
