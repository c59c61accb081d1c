import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { EventBus } from './bus.ts'
import type { NatsLink } from './nats-link.ts'
import { type Cursor, eventId, parseEventId, type RecordedEvent, readEvents, start } from './outbox.ts'

const stream = 'WARREN_EVENTS'
const subjects = 'warren.events'
/** Its row among the cursors: what NATS does not have yet is not forgotten. */
const consumer = 'nats'
const batch = 250
const ackMs = 5_000
const againMs = 1_000
const duplicateWindowMs = 120_000

interface PublisherOptions {
  db: Database
  bus: EventBus
  link: NatsLink
  /** How long NATS keeps events, if the stream is not there yet. */
  keepMs: number
}

/** Where the stream ends, in both its own count and ours. */
interface Place {
  cursor: Cursor
  sequence: number
}

/**
 * Writes the outbox into a stream of NATS, in its order. Where to go on is read from the end of the stream itself, and each message
 * names the one it follows: so none is twice in it, whoever crashes and however many write, and a stream that lost its end, or all,
 * gets again what the outbox still has. Answers with what ends it.
 */
export function publishToNats(options: PublisherOptions): () => Promise<void> {
  const ending = new AbortController()
  let running = Promise.resolve()
  options.link.onUp((connection, signal) => {
    running = running.then(() => publish(options, connection, AbortSignal.any([signal, ending.signal])))
  })
  return () => {
    ending.abort()
    return running
  }
}

/** Without NATS nothing waits for it. */
export async function forgetNats({ kysely }: Pick<Database, 'kysely'>): Promise<void> {
  const cursor = kysely.deleteFrom('event_cursors').where('consumer', '=', consumer)
  await step('events.forget_nats', consumer, () => cursor.execute())
}

async function publish(options: PublisherOptions, connection: NatsConnection, signal: AbortSignal): Promise<void> {
  const { db, bus, link } = options
  const { jetstream, jetstreamManager } = await import('@nats-io/jetstream')
  const client = jetstream(connection, { timeout: ackMs })
  let place: Place | undefined
  while (!signal.aborted) {
    const since = bus.end
    try {
      place ??= await findPlace(options, await jetstreamManager(connection, { timeout: ackMs }))
      const events = await readEvents(db.kysely, place.cursor, batch)
      const { stored, error } = await store(client, place, events)
      if (stored) {
        place = { cursor: stored.cursor, sequence: place.sequence + stored.count }
        await saveCursor(db, place.cursor)
      }
      if (error) throw error
      if (events.length < batch) await bus.changed(since, signal)
    } catch (error) {
      place = undefined
      if (signal.aborted) return
      link.warn(error as Error)
      await sleep(againMs, undefined, { ref: false, signal }).catch(() => {})
    }
  }
}

/** Sends them all at once; each is taken only right behind the one before. Answers the last that is there. */
async function store(
  client: JetStreamClient,
  { sequence }: Place,
  events: readonly RecordedEvent[],
): Promise<{ stored?: { cursor: Cursor; count: number }; error?: unknown }> {
  const acks = events.map((event, index) => {
    const { accountId, type, subject, at, data, cursor } = event
    const id = eventId(cursor)
    const body = { id, type, timestamp: at.toISOString(), organisation: accountId, subject, data }
    return client.publish(`${subjects}.${accountId}.${type}`, JSON.stringify(body), {
      msgID: id,
      timeout: ackMs,
      expect: { streamName: stream, lastSequence: sequence + index },
    })
  })
  const settled = await Promise.allSettled(acks)
  const failed = settled.find((one) => one.status === 'rejected')
  const first = failed ? settled.indexOf(failed) : settled.length
  return {
    ...(first > 0 ? { stored: { cursor: events[first - 1]!.cursor, count: first } } : {}),
    ...(failed ? { error: failed.reason } : {}),
  }
}

/** Makes the stream where there is none, and finds the event that it ends with. */
async function findPlace({ db, keepMs }: PublisherOptions, manager: JetStreamManager): Promise<Place> {
  const cursor = await savedCursor(db)
  const { state } = await manager.streams.info(stream).catch(() =>
    manager.streams.add({
      name: stream,
      subjects: [`${subjects}.>`],
      max_age: keepMs * 1e6,
      duplicate_window: Math.min(duplicateWindowMs, keepMs) * 1e6,
    }),
  )
  const sequence = state.last_seq
  if (sequence === 0) return { cursor: start, sequence }
  const last = await manager.streams.getMessage(stream, { seq: sequence })
  const inStream = last && parseEventId(last.header?.get('Nats-Msg-Id') ?? '')
  // One that the outbox does not know is too old, or was told by a database before a restore.
  return { cursor: inStream && (await isKnown(db, inStream)) ? inStream : cursor, sequence }
}

async function savedCursor({ kysely }: Database): Promise<Cursor> {
  const row = kysely.insertInto('event_cursors').values({ consumer })
  await step('events.hold_for_nats', consumer, () => row.onConflict((conflict) => conflict.doNothing()).execute())
  const saved = kysely.selectFrom('event_cursors').select(['xid', 'seq']).where('consumer', '=', consumer)
  return saved.executeTakeFirstOrThrow()
}

async function saveCursor({ kysely }: Database, cursor: Cursor): Promise<void> {
  const update = kysely.updateTable('event_cursors').set(cursor).where('consumer', '=', consumer)
  await step('events.published', consumer, () => update.execute())
}

async function isKnown({ kysely }: Database, { xid, seq }: Cursor): Promise<boolean> {
  const found = kysely.selectFrom('events').select('seq').where('seq', '=', seq).where('xid', '=', xid)
  return (await found.executeTakeFirst()) !== undefined
}
