import type { AddressRange } from '../engine/network/addresses.ts'
import type { EventBus } from '../events/bus.ts'
import { changedWithin } from '../events/changed-within.ts'
import { consume } from '../events/consume.ts'
import { Circuit } from '../lib/circuit.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DeliveryStore, Due } from './delivery-store.ts'
import { nextAttempt } from './next-attempt.ts'
import { patienceMs, type Sent, send } from './send.ts'
import { secretOf, signatureHeaders } from './sign.ts'
import { mostAtOnce, mostToOne, Slots } from './slots.ts'
import { type Heard, nounOf } from './webhook.ts'

/** It is looked for what is due when something is told, when the next one is, and otherwise this often; after a failure sooner. */
const lookEveryMs = 30_000
const againMs = 1_000
/** One that failed so often in a row is asked by a single delivery now and then, until that arrives. */
const circuitOptions = { failures: 5, openMs: 60_000 }
/** Those that failed last: so many are remembered. Of one that is forgotten it is found out again. */
const mostCircuits = 10_000
/** One that was taken by a process which then died is free again after this, milliseconds. */
const leaseMs = patienceMs + 5_000

interface DelivererOptions {
  db: Database
  bus: Pick<EventBus, 'end' | 'changed'>
  deliveries: DeliveryStore
  /** What secrets are made from. */
  seed: string
  open: readonly AddressRange[]
  heard: Heard
  now: () => Date
  logger: Logger
}

/** Makes deliveries of events and sends them. What it does is recorded, so it may be killed at any time: then one is sent again. */
export class Deliverer {
  readonly #options: DelivererOptions
  readonly #ending = new AbortController()
  readonly #slots = new Slots()
  readonly #sending = new Set<Promise<void>>()
  /** Of webhooks whose last delivery failed. */
  readonly #circuits = new Map<string, Circuit>()
  #gaveUpAtMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined
  #woken = new AbortController()

  constructor(options: DelivererOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  /** There may be something due. */
  wake(): void {
    this.#woken.abort()
    this.#woken = new AbortController()
  }

  /** Somebody wants it to be tried now, whatever came of it before. */
  tryAgain(webhookId: string): void {
    this.#circuits.delete(webhookId)
    this.wake()
  }

  /** What is being sent breaks off, and is sent again by the next process. */
  async close(): Promise<void> {
    this.#ending.abort()
    await this.#running
    await Promise.all(this.#sending)
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    const { db, bus, deliveries, heard, logger } = this.#options
    while (!signal.aborted) {
      const since = bus.end
      const woken = this.#woken.signal
      let waitMs = againMs
      try {
        while ((await consume(db, { consumer: 'webhooks' }, (tx, events) => deliveries.fanOut(tx, events, heard))) > 0);
        await this.#giveUpHeld()
        while (await this.#sendDue());
        waitMs = Math.min((await deliveries.nextDueMs()) ?? lookEveryMs, lookEveryMs, ...this.#reopeningsMs())
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'webhooks could not be looked after; it is tried again')
      }
      await changedWithin(bus, { since, ms: waitMs, signal: AbortSignal.any([signal, woken]) })
    }
  }

  /** Answers whether there may be more that could be sent now. */
  async #sendDue(): Promise<boolean> {
    const slots = this.#slots
    if (slots.left === 0) return false
    // One that failed last may hang: it has a single connection until it answers.
    const single = (webhookId: string) => this.#circuits.has(webhookId)
    // Those that are being sent are leased, and not among them. What may not be sent to now would take the places of others.
    const webhooks = [...new Set([...slots.fullWebhooks(single), ...this.#held()])]
    const besides = { webhooks, accounts: slots.fullAccounts }
    const due = await this.#options.deliveries.due({ each: mostToOne, most: mostAtOnce, besides })
    let isMore = false
    for (const { id, webhookId, accountId } of due) {
      if (slots.has(id) || !slots.mayTake({ webhookId, accountId }, { single: single(webhookId) })) continue
      if (this.#circuits.get(webhookId)?.allows() === false) continue
      slots.take(id, { webhookId, accountId })
      const done = this.#deliver(id)
        .catch((error) => this.#options.logger.warn({ err: error, delivery: id }, 'a delivery was not recorded'))
        .finally(() => {
          slots.free(id)
          this.#sending.delete(done)
          this.wake()
        })
      this.#sending.add(done)
      isMore = true
    }
    return isMore
  }

  /** Webhooks that are not asked now. */
  #held(): string[] {
    return [...this.#circuits].filter(([, circuit]) => circuit.isOpen).map(([id]) => id)
  }

  #reopeningsMs(): number[] {
    return [...this.#circuits.values()]
      .filter(({ isOpen }) => isOpen)
      .map(({ retryAfterSeconds }) => retryAfterSeconds * 1000)
  }

  /** What waits for one that is not asked is never tried for the last time: it is given up here when its time is over. */
  async #giveUpHeld(): Promise<void> {
    const held = this.#held()
    if (held.length === 0 || performance.now() - this.#gaveUpAtMs < lookEveryMs) return
    this.#gaveUpAtMs = performance.now()
    await this.#options.deliveries.giveUp(held, this.#options.now())
  }

  #tell(webhookId: string, { error }: Sent): void {
    const known = this.#circuits.get(webhookId)
    this.#circuits.delete(webhookId)
    if (error === undefined) return
    const circuit = known ?? new Circuit(circuitOptions)
    circuit.failed()
    if (this.#circuits.size >= mostCircuits) this.#circuits.delete(this.#circuits.keys().next().value!)
    this.#circuits.set(webhookId, circuit)
  }

  async #deliver(id: string): Promise<void> {
    const { deliveries, open, now } = this.#options
    const due = await deliveries.lease(id, leaseMs)
    if (!due) return
    const at = now()
    const began = performance.now()
    if (!(await this.#isHeard(due))) {
      const error = 'not sent: who made the webhook may not see events of this kind any more'
      return deliveries.finish(due, { error }, { at, durationMs: 0, nextAt: undefined })
    }
    const headers = signatureHeaders(this.#secrets(due, at), { id, at, body: due.body })
    const sent = await send({ url: due.webhook.url, body: due.body, headers }, open, this.#ending.signal)
    if (this.#ending.signal.aborted && sent.error !== undefined) return
    this.#tell(due.webhook.id, sent)
    const retryAt = nextAttempt(due.tries + 1, now(), Math.random)
    const isOver = sent.error === undefined || sent.status === 410 || retryAt > due.until
    const durationMs = performance.now() - began
    await deliveries.finish(due, sent, { at, durationMs, nextAt: isOver ? undefined : retryAt })
  }

  async #isHeard({ webhook, type }: Due): Promise<boolean> {
    const noun = nounOf(type)
    return noun === 'webhook' || (await this.#options.heard(this.#options.db.kysely, webhook)).includes(noun)
  }

  #secrets({ webhook }: Due, at: Date): string[] {
    const { secretVersion, previousUntil } = webhook
    const versions = previousUntil && previousUntil > at ? [secretVersion, secretVersion - 1] : [secretVersion]
    return versions.map((version) => secretOf(this.#options.seed, webhook, version))
  }
}
