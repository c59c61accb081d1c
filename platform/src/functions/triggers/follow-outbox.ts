import type { Transaction } from 'kysely'
import type { EventBus } from '../../events/bus.ts'
import { changedWithin } from '../../events/changed-within.ts'
import { consume } from '../../events/consume.ts'
import type { RecordedEvent } from '../../events/outbox.ts'
import type { Tables } from '../../storage/tables.ts'
import type { FunctionDeps } from '../functions.ts'

type Deps = Pick<FunctionDeps, 'db' | 'dispatcher' | 'logger'> & { bus: Pick<EventBus, 'end' | 'changed'> }

interface Follow {
  consumer: string
  /** Whether any event can lead to a call. Most events are of other things, and most platforms have no trigger. */
  isWanted: () => Promise<boolean>
  /** Records the calls that follow from these events, and answers how many there are. */
  call: (tx: Transaction<Tables>, events: RecordedEvent[]) => Promise<number>
}

/** Looked for at least this often, so that its place does not keep the outbox from being emptied, milliseconds. */
const lookMs = 30_000
/** Tried again so much later, milliseconds. */
const againMs = 1000

/**
 * Makes calls of what happens. It reads the outbox from where it stood; its place and the calls that follow change in one
 * transaction, so each event makes each call once, and each call is made at least once.
 */
export class OutboxFollower {
  readonly #deps: Deps
  readonly #follow: Follow
  readonly #ending = new AbortController()
  #running: Promise<void> | undefined

  constructor(deps: Deps, follow: Follow) {
    this.#deps = deps
    this.#follow = follow
  }

  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { bus, logger } = this.#deps
    const { consumer, isWanted } = this.#follow
    const { signal } = this.#ending
    for (let lookedAt = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
      const since = bus.end
      let waitMs = lookMs
      try {
        if (performance.now() - lookedAt >= lookMs || (await isWanted())) {
          await this.#look()
          lookedAt = performance.now()
        }
      } catch (err) {
        if (!signal.aborted) logger.warn({ err, consumer }, 'events for functions could not be read; it is tried again')
        waitMs = againMs
      }
      await changedWithin(bus, { since, ms: waitMs, signal })
    }
  }

  async #look(): Promise<void> {
    const { db, dispatcher } = this.#deps
    const { consumer, call } = this.#follow
    let calls = 0
    const handle = async (tx: Transaction<Tables>, events: RecordedEvent[]) => {
      calls = await call(tx, events)
    }
    while (!this.#ending.signal.aborted && (await consume(db, { consumer }, handle)) > 0)
      if (calls > 0) dispatcher.wake()
  }
}
