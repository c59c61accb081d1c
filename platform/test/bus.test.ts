import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Consumer, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { openBus } from '../src/events/bus.ts'
import { NatsLink } from '../src/events/nats-link.ts'
import { publishToNats } from '../src/events/nats-publisher.ts'
import { natsWire } from '../src/events/nats-wire.ts'
import { forgetEvents } from '../src/events/outbox.ts'
import { postgresWire } from '../src/events/postgres-wire.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { busContract, tell } from './contracts/bus.ts'
import { type NatsServer, noNats, startNats } from './nats-server.ts'
import { until } from './platform.ts'
import { openSharedDatabase, whyNoPostgres } from './test-database.ts'

const logger = createLogger('silent')
const skip = (await whyNoPostgres('embedded')) || undefined

if (skip) test('the event bus', { skip }, () => {})
else {
  const shared = await openSharedDatabase({ after }, 2)
  const databases = [shared[0]!, shared[1]!] as const
  const db = databases[0]
  const nats = noNats ? undefined : await startNats()
  const links = nats ? await Promise.all(databases.map(() => NatsLink.open({ url: nats.url, logger }))) : []
  after(async () => {
    await Promise.all(links.map((link) => link.close()))
    await nats?.[Symbol.asyncDispose]()
  })

  busContract('PostgreSQL', () => ({
    databases,
    wire: (of) => postgresWire({ db: of, logger }),
    // Ends the connections that listen.
    cut: async () => {
      const { rows } = await db.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen warren_events'`,
      )
      assert.ok(rows.length >= 2)
    },
    mend: async () => {},
  }))

  if (nats) natsTests(nats)
  else test('NATS', { skip: noNats }, () => {})

  function natsTests(nats: NatsServer) {
    busContract('NATS', () => ({
      databases,
      wire: (of) => natsWire(links[databases.indexOf(of)]!),
      cut: () => nats.kill('SIGKILL'),
      mend: () => nats.start(),
    }))

    test('NATS: each event is once in the stream, in the order of the outbox, though two nodes publish', async (t) => {
      const from = await total()
      const nodes = [await publish(t, nats, 0), await publish(t, nats, 1)]
      await Promise.all(
        nodes.map(async ({ db }, node) => {
          for (let i = 0; i < 300; i++) await tell(db, `n${node}-${i}`)
        }),
      )
      const consumer = await readerOf(nats, 'first')
      const ids = await read(consumer, from + 600)
      assert.deepEqual(ids, await outboxIds())
    })

    test('NATS: what is told while it is away is in the stream when it is back, and a durable consumer goes on', async (t) => {
      const { db } = await publish(t, nats, 0)
      const consumer = await readerOf(nats, 'lasting')
      const before = await total()
      await read(consumer, before)
      // One that is killed may give again whatever was acknowledged since it last wrote that down.
      await nats.kill('SIGTERM')
      for (let i = 0; i < 20; i++) await tell(db, `away-${i}`)
      await nats.start()
      const told = (await outboxIds()).slice(-20)
      assert.deepEqual(await read(await readerOf(nats, 'lasting'), told.at(-1)!), told)
    })

    test('NATS: one that is killed while events are published has each of them once afterwards', async (t) => {
      const { db } = await publish(t, nats, 0)
      const telling = Promise.all(
        Array.from({ length: 6 }, async (_, teller) => {
          for (let i = 0; i < 100; i++) await tell(db, `storm-${teller}-${i}`)
        }),
      )
      await nats.kill('SIGKILL')
      await nats.start()
      await telling
      assert.deepEqual(await read(await readerOf(nats, 'storm'), await total()), await outboxIds())
    })

    test('NATS: one that lost its store gets again what the outbox has, and then goes on', async (t) => {
      const { db } = await publish(t, nats, 0)
      await tell(db, 'before')
      await nats.kill('SIGKILL')
      await nats.loseStore()
      await nats.start()
      await until('the stream is made again', () => readerOf(nats, 'again').catch(() => undefined))
      await tell(db, 'afterwards')
      assert.deepEqual(await read(await readerOf(nats, 'again'), await total()), await outboxIds())
    })

    test('NATS: what it does not have yet is not forgotten', async (t) => {
      await nats.kill('SIGKILL')
      const { db } = await publish(t, nats, 0)
      await tell(db, 'unpublished')
      await forgetEvents(db, new Date(Date.now() + 60_000), 100_000)
      assert.equal(await total(), 1)
      await nats.start()
      const last = (await outboxIds())[0]!
      await until('it is published', async () => (await read(await readerOf(nats, 'rest'), 'all')).at(-1) === last)
    })
  }

  /** A node that publishes, as `openEvents` makes it. */
  async function publish(t: { after: (done: () => Promise<void>) => void }, nats: NatsServer, node: 0 | 1) {
    const link = await NatsLink.open({ url: nats.url, logger })
    const db = databases[node]
    const bus = await openBus({ db, openWire: natsWire(link) })
    const end = publishToNats({ db, bus, link, keepMs: 3_600_000 })
    t.after(async () => {
      await end()
      await bus.close()
      await link.close()
    })
    return { db, bus }
  }

  async function outboxIds(): Promise<string[]> {
    const { rows } = await db.pool.query<{ id: string }>(`select xid || '-' || seq as id from events order by xid, seq`)
    return rows.map(({ id }) => id)
  }

  async function total(): Promise<number> {
    return (await outboxIds()).length
  }
}

/** A durable consumer of the stream, as another program would have it. */
async function readerOf(nats: NatsServer, name: string): Promise<Consumer> {
  const { username, password, host } = new URL(nats.url)
  const connection = await connect({ servers: host, user: username, pass: decodeURIComponent(password) })
  after(() => connection.close())
  const manager = await jetstreamManager(connection)
  await until('the stream is there', () => manager.streams.info('WARREN_EVENTS').catch(() => undefined))
  await manager.consumers.add('WARREN_EVENTS', { durable_name: name, ack_policy: 'explicit' })
  return jetstream(connection).consumers.get('WARREN_EVENTS', name)
}

/** The ids of the next messages, each acknowledged: so many, or until that one, or all that are there. */
async function read(consumer: Consumer, end: number | string | 'all'): Promise<string[]> {
  const ids: string[] = []
  for (;;) {
    const message = await consumer.next({ expires: end === 'all' ? 1000 : 10_000 })
    if (!message) {
      if (end === 'all') return ids
      throw new Error(`${ids.length} messages came, but not ${end}`)
    }
    assert.equal(message.json<{ id: string }>().id, message.headers?.get('Nats-Msg-Id'))
    ids.push(message.json<{ id: string }>().id)
    await message.ackAck()
    if (ids.length === end || ids.at(-1) === end) return ids
  }
}
