import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import type { Event } from './event.ts'
import { appendEvent, readEvents, start } from './outbox.ts'

for (const origin of postgresOrigins) {
  describe(`the outbox, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('an event is there when its transaction is, and not otherwise', async (t) => {
      const database = await openTestDatabase(t, origin)
      await assert.rejects(
        database.transaction(async (tx) => {
          await appendEvent(tx, stopped('lost'))
          throw new Error('rolled back')
        }),
      )
      await database.transaction((tx) => appendEvent(tx, stopped('kept')))

      const events = await readEvents(database.kysely, start)
      assert.deepEqual(
        events.map(({ at, cursor, ...event }) => event),
        [stopped('kept')],
      )
      assert.ok(events[0]!.at instanceof Date)
      assert.deepEqual(await readEvents(database.kysely, events[0]!.cursor), [])
    })

    test('an event that commits late is not passed by, and none is seen twice', async (t) => {
      const database = await openTestDatabase(t, origin)
      const late = Promise.withResolvers<void>()
      const inserted = Promise.withResolvers<void>()
      const slow = database.transaction(async (tx) => {
        await appendEvent(tx, stopped('slow'))
        inserted.resolve()
        await late.promise
      })
      await inserted.promise
      await database.transaction((tx) => appendEvent(tx, stopped('quick')))
      assert.deepEqual(await readEvents(database.kysely, start), [])

      late.resolve()
      await slow
      const subjects = (await readEvents(database.kysely, start)).map(({ subject }) => subject)
      assert.deepEqual(subjects, ['slow', 'quick'])
    })

    test('many writers at once: a reader that follows sees each event exactly once', async (t) => {
      const database = await openTestDatabase(t, origin)
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; i < 50; i++) await database.transaction((tx) => appendEvent(tx, stopped(`${writer}-${i}`)))
      })
      let writing = true
      const written = Promise.all(writers).finally(() => (writing = false))

      const seen: string[] = []
      for (let cursor = start, done = false; !done; ) {
        done = !writing
        const events = await readEvents(database.kysely, cursor, 7)
        seen.push(...events.map(({ subject }) => subject))
        cursor = events.at(-1)?.cursor ?? cursor
        if (events.length > 0) done = false
      }
      await written
      assert.equal(seen.length, 400)
      assert.equal(new Set(seen).size, 400)
    })
  })
}

function stopped(subject: string): Event {
  return { type: 'sandbox.stopped', accountId: 'a1', subject, data: { reason: 'deleted' } }
}
