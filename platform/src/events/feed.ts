import { setTimeout as sleep } from 'node:timers/promises'
import type { Queries } from '../storage/database.ts'
import { type Cursor, endOfEvents, type RecordedEvent, readEvents } from './outbox.ts'

/** What of the outbox somebody wants to see. */
export interface FeedFilter {
  accountId: string
  subject?: string | undefined
  types?: readonly string[] | undefined
}

export interface EventFeed {
  /** The next events after `after`, oldest first. */
  read(filter: FeedFilter, after: Cursor, limit: number): Promise<RecordedEvent[]>
  /** The same for ever, from `after` or from now on. Ends when `signal` aborts. */
  follow(filter: FeedFilter, after: Cursor | undefined, signal: AbortSignal): AsyncGenerator<RecordedEvent, void>
}

const batch = 200

/** The events of one account, as they are told. `changed` resolves when there may be more, or after a while. */
export function eventFeed(kysely: Queries, changed: (signal: AbortSignal) => Promise<void>): EventFeed {
  return {
    read: (filter, after, limit) => readEvents(kysely, after, limit, filter),
    async *follow(filter, from, signal) {
      let after = from ?? (await endOfEvents(kysely))
      while (!signal.aborted) {
        const events = await readEvents(kysely, after, batch, filter)
        yield* events
        after = events.at(-1)?.cursor ?? after
        if (events.length < batch) await changed(signal)
      }
    },
  }
}

/** Nobody tells that there is more: it is looked for this often. */
export function everyMs(ms: number): (signal: AbortSignal) => Promise<void> {
  return (signal) => sleep(ms, undefined, { ref: false, signal }).catch(() => {})
}
