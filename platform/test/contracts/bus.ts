import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type EventBus, openBus } from '../../src/events/bus.ts'
import type { Event } from '../../src/events/event.ts'
import { appendEvent, type Cursor, readEvents } from '../../src/events/outbox.ts'
import type { OpenWire } from '../../src/events/wire.ts'
import type { Database } from '../../src/storage/database.ts'
import { until } from '../platform.ts'

/** What one node of a test has. */
export interface BusNode {
  db: Database
  bus: EventBus
}

interface Given {
  /** Two nodes' own connections to one database. */
  databases: readonly [Database, Database]
  /** A wire of a node's own. */
  wire: (db: Database) => OpenWire
  /** Breaks every wire, and lets it be mended. */
  cut: () => Promise<void>
  mend: () => Promise<void>
}

type Test = { after: (done: () => Promise<void>) => void }

const never = 3_600_000

/** What every bus does, whatever its nodes hear each other by. Nobody looks by himself here while the wire is up. */
export function busContract(name: string, given: () => Given): void {
  async function nodes(t: Test, restMs = never): Promise<[BusNode, BusNode]> {
    const { databases, wire } = given()
    const opened = await Promise.all(
      databases.map(async (db) => ({ db, bus: await openBus({ db, openWire: wire(db), restMs, blindMs: 20 }) })),
    )
    t.after(async () => {
      await Promise.all(opened.map(({ bus }) => bus.close()))
    })
    return opened as [BusNode, BusNode]
  }

  test(`${name}: what one node tells wakes who waits there, and who waits on the other`, async (t) => {
    const [one, other] = await nodes(t)
    for (const from of [one, other, one]) {
      const waiting = [one, other].map(({ bus }) => bus.changed(bus.end, new AbortController().signal))
      await tell(from.db, 'a')
      await Promise.all(waiting)
    }
  })

  test(`${name}: who waits hears nothing of a transaction that was rolled back, and ends when told to`, async (t) => {
    const [one] = await nodes(t)
    const { end } = one.bus
    const ending = new AbortController()
    const waiting = one.bus.changed(end, ending.signal)
    await assert.rejects(
      one.db.transaction(async (tx) => {
        await appendEvent(tx, stopped('lost'))
        throw new Error('rolled back')
      }),
    )
    ending.abort()
    await waiting
    assert.equal(one.bus.end, end)
  })

  test(`${name}: an event that an older transaction holds back is told of when that ends`, async (t) => {
    const [one, other] = await nodes(t)
    const begun = Promise.withResolvers<void>()
    const over = Promise.withResolvers<void>()
    const older = one.db.transaction(async (tx) => {
      await tx.deleteFrom('events').where('subject', '=', 'none').execute()
      await tx.insertInto('event_cursors').values({ consumer: 'older' }).execute()
      begun.resolve()
      await over.promise
      await tx.deleteFrom('event_cursors').where('consumer', '=', 'older').execute()
    })
    await begun.promise
    const from = other.bus.end
    await tell(one.db, 'held')
    assert.deepEqual(await readEvents(other.db.kysely, from), [])
    const waiting = other.bus.changed(from, new AbortController().signal)
    over.resolve()
    await older
    await waiting
    assert.deepEqual(subjects(await readEvents(other.db.kysely, from)), ['held'])
  })

  test(`${name}: of many that are told at once a reader sees each once`, async (t) => {
    const [one, other] = await nodes(t)
    const seen = follow(other, other.bus.end, 400)
    const tellers = [one, other].flatMap(({ db }, node) =>
      Array.from({ length: 4 }, async (_, teller) => {
        for (let i = 0; i < 50; i++) await tell(db, `${node}-${teller}-${i}`)
      }),
    )
    await Promise.all(tellers)
    assert.equal(new Set(await seen).size, 400)
  })

  test(`${name}: while nobody is heard events are looked for, and afterwards they are told again`, async (t) => {
    const { cut, mend } = given()
    const [one, other] = await nodes(t)
    const from = other.bus.end
    await cut()
    await tell(one.db, 'meanwhile')
    await other.bus.changed(from, new AbortController().signal)
    await mend()
    await until('the wire is back: nobody looks any more', async () => {
      const since = other.bus.end
      await tell(one.db, 'after')
      await other.bus.changed(since, new AbortController().signal)
      return true
    })
    const told = subjects(await readEvents(other.db.kysely, from, 1000))
    assert.deepEqual([...new Set(told)], ['meanwhile', 'after'])
  })
}

/** So many events after `from`, by waiting for the bus. */
async function follow({ db, bus }: BusNode, from: Cursor, count: number): Promise<string[]> {
  const seen: string[] = []
  for (let cursor = from; seen.length < count; ) {
    const since = bus.end
    const events = await readEvents(db.kysely, cursor, 60)
    seen.push(...subjects(events))
    cursor = events.at(-1)?.cursor ?? cursor
    if (events.length < 60 && seen.length < count) await bus.changed(since, new AbortController().signal)
  }
  return seen
}

export function tell(db: Database, subject: string): Promise<void> {
  return db.transaction((tx) => appendEvent(tx, stopped(subject)))
}

function subjects(events: { subject: string }[]): string[] {
  return events.map(({ subject }) => subject)
}

function stopped(subject: string): Event {
  return { type: 'sandbox.stopped', accountId: 'a1', subject, data: { reason: 'deleted' } }
}
