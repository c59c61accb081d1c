import { setTimeout as sleep } from 'node:timers/promises'
import type { Queries } from '../storage/database.ts'
import type { EventBus } from './bus.ts'
import { type Cursor, later, type RecordedEvent, readEvents } from './outbox.ts'

/** What of the outbox somebody wants to see. */
export interface FeedFilter {
  accountId: string
  subject?: string | undefined
  types?: readonly string[] | undefined
  /** What stands before the dot of their types. */
  nouns: readonly string[]
}

export interface EventFeed {
  /** The next events after `after`, oldest first. */
  read(filter: FeedFilter, after: Cursor, limit: number): Promise<RecordedEvent[]>
  /** The same for ever, from `after` or from now on. Ends when `signal` aborts. */
  follow(filter: FeedFilter, after: Cursor | undefined, signal: AbortSignal): AsyncGenerator<RecordedEvent, void>
}

const batch = 200
/** So much later what was told is read, milliseconds: others tell too. */
const gatherMs = 50

/** The events of one account, as they are told. */
export function eventFeed(kysely: Queries, bus: Pick<EventBus, 'end' | 'changed'>): EventFeed {
  return {
    read: (filter, after, limit) => readEvents(kysely, after, limit, filter),
    async *follow(filter, from, signal) {
      let after = from ?? bus.end
      while (!signal.aborted) {
        const { end } = bus
        const events = await readEvents(kysely, after, batch, filter)
        yield* events
        after = events.at(-1)?.cursor ?? after
        if (events.length === batch) continue
        // Up to there it has seen all of its own: what others do is not read again.
        after = later(after, end)
        await bus.changed(end, signal)
        // What comes in a row is read together.
        await sleep(gatherMs, undefined, { signal, ref: false }).catch(() => {})
      }
    },
  }
}
