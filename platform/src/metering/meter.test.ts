import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import type { Instance } from '../engine/engine.ts'
import { openBus } from '../events/bus.ts'
import type { Event } from '../events/event.ts'
import { appendEvent, forgetEvents } from '../events/outbox.ts'
import { noWire } from '../events/wire.ts'
import type { Database } from '../storage/database.ts'
import { createLogger } from '../telemetry/logger.ts'
import { Meter } from './meter.ts'
import { readUsage } from './read-usage.ts'
import { recordSamples, type Sample } from './samples.ts'

for (const origin of postgresOrigins) {
  describe(`the meter, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('each interval of a sandbox is a fact: what ran, what was paused, and its end', async (t) => {
      const { db, tell, facts, meter } = await rig(t)
      await tell(created('s1'), '10:00:00.000')
      await recordSamples(db, [sample('s1', { moment: 'first', usec: 5_000 })])
      await recordSamples(db, [sample('s1', { usec: 1_505_900 })])
      await tell({ ...about('s1'), type: 'sandbox.paused', data: { memory: 'saved' } }, '10:00:10.123')
      await tell({ ...about('s1'), type: 'sandbox.resumed', data: { expiresAt: '' } }, '10:05:10.123')
      await meter.catchUp()
      // Resumed in a control group of its own, whose counter begins at 0.
      await recordSamples(db, [sample('s1', { counter: 'other', usec: 300_200 })])
      await tell({ ...about('s1'), type: 'sandbox.stopped', data: { reason: 'deleted' } }, '10:05:12.123')
      await meter.catchUp()

      assert.deepEqual(await facts(), [
        ['s1/1', 'running', 10_123, 1500, 512 * 10_123, 1024 * 10_123],
        ['s1/2', 'stored', 300_000, 0, 0, 1024 * 300_000],
        ['s1/3', 'running', 2_000, 301, 512 * 2_000, 1024 * 2_000],
      ])
      assert.deepEqual(await db.kysely.selectFrom('usage_samples').selectAll().execute(), [])
      assert.deepEqual(await db.kysely.selectFrom('usage_open').selectAll().execute(), [])
    })

    test('with a GPU it uses one while it runs and only then, also over a full hour; without it uses none', async (t) => {
      const { db, tell, meter } = await rig(t)
      await tell(created('g1', true), '10:00:00.000')
      await tell(created('s1'), '10:00:00.000')
      await tell({ ...about('g1'), type: 'sandbox.paused', data: { memory: 'resident' } }, '10:00:10.123')
      await tell({ ...about('g1'), type: 'sandbox.resumed', data: { expiresAt: '' } }, '10:05:10.123')
      await tell({ ...about('g1'), type: 'sandbox.paused', data: { memory: 'saved' } }, '10:05:12.000')
      await tell({ ...about('g1'), type: 'sandbox.resumed', data: { expiresAt: '' } }, '10:59:59.000')
      await meter.catchUp()
      await recordSamples(db, [sample('g1', { usec: 1_000 })])
      for (const id of ['g1', 's1'])
        await tell({ ...about(id), type: 'sandbox.stopped', data: { reason: 'deleted' } }, '11:00:01.500')
      await meter.catchUp()
      const rows = await db.kysely.selectFrom('usage_facts').select(['key', 'gpu_ms']).orderBy('key').execute()
      assert.deepEqual(
        rows.map(({ key, gpu_ms }) => [key, gpu_ms]),
        [
          ['g1/1', 10_123],
          ['g1/2', 0],
          ['g1/3', 1_877],
          ['g1/4', 0],
          ['g1/5', 2_500],
          ['s1/1', 0],
        ],
      )
      const account = { id: 'org0', name: '', maxSandboxes: 1 }
      const { total, groups } = await readUsage(db, account, {
        group: 'subject',
        from: '2026-01-05T00:00:00Z',
        to: '2026-01-06T00:00:00Z',
      })
      assert.equal(total.gpuMs, 14_500)
      assert.deepEqual(
        groups.map(({ gpuMs }) => gpuMs).sort((one, other) => one - other),
        [0, 14_500],
      )
    })

    test('a copy is billed by its own limit, and its facts say whose copy it is', async (t) => {
      const { db, tell, meter } = await rig(t)
      await tell(created('s1'), '10:00:00.000')
      const copy = created('s2')
      if (copy.type !== 'sandbox.created') throw new Error('another event')
      await tell({ ...copy, data: { ...copy.data, from: { sandbox: 's1' } } }, '10:00:01.000')
      for (const id of ['s1', 's2'])
        await tell({ ...about(id), type: 'sandbox.stopped', data: { reason: 'deleted' } }, '10:00:03.000')
      await meter.catchUp()
      const rows = await db.kysely.selectFrom('usage_facts').selectAll().orderBy('key').execute()
      assert.deepEqual(
        rows.map(({ key, memory_mb_ms, attributes }) => [key, memory_mb_ms, attributes.copyOf, attributes.memory]),
        [
          ['s1/1', 512 * 3_000, undefined, 'limit'],
          ['s2/1', 512 * 2_000, 's1', 'limit'],
        ],
      )
    })

    test('a counter that is read again, or late, counts once; one of another group begins at 0', async (t) => {
      const { db, tell, facts, meter } = await rig(t)
      await tell(created('s1'), '10:00:00.000')
      const seen = (usec: number, counter = 'a') => recordSamples(db, [sample('s1', { usec, counter })])
      for (const usec of [1_000_000, 3_000_000, 3_000_000, 2_000_000, 4_000_000]) await seen(usec)
      await seen(500_000, 'b')
      await tell({ ...about('s1'), type: 'sandbox.stopped', data: { reason: 'deleted' } }, '10:00:01.000')
      await meter.catchUp()
      assert.equal((await facts())[0]![3], 4_500)
    })

    test('one that was lost is billed until it was last seen, and one that stopped until it was asked to', async (t) => {
      const { db, tell, facts, meter } = await rig(t)
      for (const id of ['lost', 'left', 'unseen']) await tell(created(id), '10:00:00.000')
      await meter.catchUp()
      await recordSamples(db, [sample('lost', {}), sample('left', { moment: 'last' })])
      await db.pool.query(`update usage_samples set at = '2026-01-05T10:00:07Z',
        leaving_at = case when leaving_at is not null then timestamptz '2026-01-05T10:00:07Z' end`)
      await tell({ ...about('lost'), type: 'sandbox.failed', data: { reason: 'lost' } }, '14:00:00.000')
      await tell({ ...about('unseen'), type: 'sandbox.failed', data: { reason: 'lost' } }, '14:00:00.000')
      await tell({ ...about('left'), type: 'sandbox.stopped', data: { reason: 'deleted' } }, '14:00:00.000')
      await meter.catchUp()
      assert.deepEqual(
        (await facts()).map(([key, , duration]) => [key, duration]),
        [
          ['left/1', 7_000],
          ['lost/1', 7_000],
        ],
      )
    })

    test('snapshots and volumes are stored, each by its size', async (t) => {
      const { tell, facts, meter } = await rig(t)
      const sizeBytes = 3 * 1024 * 1024
      await tell({ ...about('n1'), type: 'snapshot.created', data: { keeps: 'files', sizeBytes } }, '10:00:00.000')
      await tell({ ...about('v1'), type: 'volume.created', data: { name: 'x', sizeMb: 64 } }, '10:00:00.000')
      for (const type of ['snapshot.deleted', 'volume.deleted'] as const)
        await tell({ ...about(type[0] === 's' ? 'n1' : 'v1'), type, data: { name: 'x' } } as Event, '10:00:01.500')
      await meter.catchUp()
      assert.deepEqual(await facts(), [
        ['n1/1', 'stored', 1_500, 0, 0, 4_500],
        ['v1/1', 'stored', 1_500, 0, 0, 64 * 1_500],
      ])
    })

    test('a bucket is stored from its first object on, by what it holds', async (t) => {
      const { tell, facts, meter } = await rig(t)
      const object = (type: 'object.created' | 'object.removed', mb: number) => {
        const data = { bucket: 'b', key: 'k', sizeBytes: 1, etag: 'e', contentType: 't', bucketBytes: mb * 1024 * 1024 }
        return { ...about('b1'), type, data } as const
      }
      await tell({ ...about('b1'), type: 'bucket.created', data: { bucket: 'b' } }, '10:00:00.000')
      await tell(object('object.created', 4), '10:00:01.000')
      await tell(object('object.created', 6), '10:00:03.000')
      await tell(object('object.removed', 0), '10:00:04.000')
      await tell({ ...about('b1'), type: 'bucket.deleted', data: { bucket: 'b' } }, '10:00:09.000')
      await meter.catchUp()
      assert.deepEqual((await facts()).slice(0, 2), [
        ['b1/1', 'stored', 2_000, 0, 0, 4 * 2_000],
        ['b1/2', 'stored', 1_000, 0, 0, 6 * 1_000],
      ])
      assert.ok((await facts()).slice(2).every(([, , , , , diskMbMs]) => diskMbMs === 0))
    })

    test('a full hour closes what goes on, and reports add up to the same by whatever they are grouped', async (t) => {
      const { db, meter } = await rig(t)
      await db.transaction((tx) => appendEvent(tx, created('s1')))
      await db.transaction((tx) =>
        appendEvent(tx, { ...about('v1'), type: 'volume.created', data: { name: 'x', sizeMb: 2 } }),
      )
      const begun = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 1_500_000)
      await db.kysely.updateTable('events').set({ at: begun }).execute()
      await meter.catchUp()
      // One that runs is closed once it was seen after the hour.
      await meter.round()
      const lasted = async () => {
        const rows = await db.kysely.selectFrom('usage_facts').selectAll().orderBy('key').execute()
        return rows.map(({ key, started_at, ended_at }) => [key, ended_at.getTime() - started_at.getTime()])
      }
      assert.deepEqual(await lasted(), [['v1/1', 1_500_000]])
      await recordSamples(db, [sample('s1', { usec: 2_000_000 })])
      await meter.round()
      await meter.round()
      assert.deepEqual(await lasted(), [
        ['s1/1', 1_500_000],
        ['v1/1', 1_500_000],
      ])

      const account = { id: 'org0', name: '', maxSandboxes: 1 }
      const none = await readUsage(db, account, {})
      assert.deepEqual([none.total.facts, none.total.cpuMs, none.total.memoryMbMs], [2, 2000, 512 * 1_500_000])
      assert.equal(none.open.facts, 2)
      for (const group of ['kind', 'subject', 'template', 'state', 'hour', 'day'] as const) {
        const report = await readUsage(db, account, { group })
        assert.deepEqual(report.total, none.total, group)
        assert.equal(
          report.groups.reduce((sum, { diskMbMs }) => sum + diskMbMs, 0),
          none.total.diskMbMs,
          group,
        )
      }
      assert.equal((await readUsage(db, { ...account, id: 'other' }, {})).total.facts, 0)
    })

    for (const jumpMs of [3_600_000, -3_600_000])
      test(`a clock that is set by ${jumpMs} ms changes nothing of what lasted`, async (t) => {
        const clock = { bootId: 'b', uptimeMs: 10_000_000 }
        const { db, meter } = await rig(t, async () => clock)
        await db.transaction((tx) => appendEvent(tx, created('s1')))
        await meter.round()
        // As if the clock of the database had been set: what was noted of it is moved the other way.
        await db.pool.query(`update usage_clock set at = at - $1 * interval '1 millisecond'`, [jumpMs])
        await db.pool.query(`update usage_open set started_at = started_at - $1 * interval '1 millisecond'`, [jumpMs])
        await meter.round()
        await db.transaction((tx) =>
          appendEvent(tx, { ...about('s1'), type: 'sandbox.stopped', data: { reason: 'x' } }),
        )
        await meter.catchUp()
        const rows = await db.kysely.selectFrom('usage_facts').selectAll().execute()
        const lasted = rows.reduce((sum, row) => sum + row.ended_at.getTime() - row.started_at.getTime(), 0)
        assert.ok(lasted >= 0 && lasted < 60_000, `${lasted} ms`)
      })

    test('limits that change close the interval when they were seen', async (t) => {
      const { db, meter } = await rig(t)
      await db.transaction((tx) => appendEvent(tx, created('s1')))
      await meter.catchUp()
      await new Promise((resolve) => setTimeout(resolve, 20))
      await recordSamples(db, [sample('s1', { memoryMb: 1024 })])
      await meter.round()
      const open = await db.kysely.selectFrom('usage_open').selectAll().execute()
      assert.deepEqual([open[0]!.number, open[0]!.memory_mb], [2, 1024])
      assert.equal((await db.kysely.selectFrom('usage_facts').selectAll().execute()).length, 1)
    })

    test('what an instance of a function sends is a fact of the function, and of its day, also after a crash', async (t) => {
      const { db, bus } = await rig(t)
      const sent = new Map<number, { counter: string; sent: number }>()
      const network = {
        counters: async (of?: object) => {
          const slot = (of as Instance | undefined)?.spec.network?.slot
          return [...sent]
            .filter(([one]) => slot === undefined || slot === one)
            .map(([one, { counter, sent }]) => ({ slot: one, counter, sent, received: 2 * sent }))
        },
        isReleased: () => false,
      }
      const open = () => new Meter({ db, bus, network, logger: createLogger('warn') })
      const instanceAt = (slot: number) =>
        ({ spec: { network: { slot } }, limits: { memoryMb: 128, diskMb: 64 } }) as unknown as Instance
      const of = (subject: string) => ({ subject, accountId: 'org0', resource: 'f1', attributes: { function: 'one' } })
      const facts = async () =>
        (await db.kysely.selectFrom('usage_facts').selectAll().orderBy('key').execute()).map((row) => [
          ...[row.key, row.kind, row.subject, row.network_out_bytes, row.network_in_bytes],
          ...[row.cpu_ms, row.memory_mb_ms, row.attributes.function],
        ])
      const day = async () =>
        (await db.pool.query("select sum(bytes)::int as bytes from egress_days where account_id = 'org0'")).rows[0]
          .bytes

      sent.set(1, { counter: 'a', sent: 1000 }) // by whoever had the network before
      const before = open()
      before.connects(of('i1'), instanceAt(1))
      before.connects(of('i2'), instanceAt(2))
      await until(async () => (await db.kysely.selectFrom('usage_samples').selectAll().execute()).length === 2)
      sent.set(1, { counter: 'a', sent: 1500 })
      await before.disconnects('i1')
      assert.equal(await day(), 500)
      // Its network is another's by now, and nothing of that is its own.
      sent.set(1, { counter: 'b', sent: 7777 })
      await before.close()
      await before.round()
      assert.deepEqual(await facts(), [['i1/1', 'egress', 'f1', 500, 1000, 0, 0, 'one']])

      sent.set(2, { counter: 'c', sent: 300 })
      await before.close() // records what is seen, as it does every ten seconds
      const after = open()
      after.connects(of('i3'), instanceAt(3))
      await after.round()
      await after.round()
      assert.deepEqual((await facts())[1], ['i2/1', 'egress', 'f1', 300, 600, 0, 0, 'one'])
      assert.equal((await facts()).length, 2)
      assert.equal(await day(), 800)
      const left = await db.kysely.selectFrom('usage_open').select('subject').execute()
      assert.deepEqual(
        left.map(({ subject }) => subject).filter((subject) => subject !== 'i3'),
        [],
      )
      await after.disconnects('i3')
      await after.round()
      assert.equal((await facts()).length, 2, 'one that sent nothing has no fact')
      assert.deepEqual(await db.kysely.selectFrom('usage_open').selectAll().execute(), [])
    })

    test('events are kept until they were read', async (t) => {
      const { db, meter } = await rig(t)
      await meter.catchUp()
      await meter.round()
      await db.transaction((tx) => appendEvent(tx, created('s1')))
      const later = new Date(Date.now() + 60_000)
      assert.equal(await forgetEvents(db, later, 10), 0)
      await meter.catchUp()
      assert.equal(await forgetEvents(db, later, 10), 1)
    })
  })

  async function rig(
    t: Parameters<typeof openTestDatabase>[0],
    bootTime?: () => Promise<{ bootId: string; uptimeMs: number }>,
  ) {
    const db = await openTestDatabase(t, origin)
    const network = { counters: async () => [], isReleased: () => false }
    const bus = await openBus({ db, openWire: noWire })
    t.after(() => bus.close())
    const meter = new Meter({ db, bus, network, logger: createLogger('warn'), ...(bootTime ? { bootTime } : {}) })
    return { db, bus, meter, tell: (event: Event, at: string) => tellAt(db, event, at), facts: () => factsOf(db) }
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** At that time of one day. */
async function tellAt(db: Database, event: Event, at: string): Promise<void> {
  await db.transaction(async (tx) => {
    await appendEvent(tx, event)
    await tx
      .updateTable('events')
      .set({ at: new Date(`2026-01-05T${at}Z`) })
      .where(
        'seq',
        '=',
        tx.selectFrom('events').select((is) => is.fn.max('seq').as('last')),
      )
      .execute()
  })
}

/** Key, state, how long, processor, memory, disk. */
async function factsOf({ kysely }: Database): Promise<(string | number)[][]> {
  const rows = await kysely.selectFrom('usage_facts').selectAll().orderBy('key').execute()
  return rows.map((row) => [
    row.key,
    row.attributes.state!,
    row.ended_at.getTime() - row.started_at.getTime(),
    row.cpu_ms,
    row.memory_mb_ms,
    row.disk_mb_ms,
  ])
}

function about(subject: string) {
  return { accountId: 'org0', subject }
}

function created(subject: string, gpu = false): Event {
  const limits = { cpuCores: 1, memoryMb: 512, diskMb: 1024 }
  const data = {
    template: 'base',
    driver: 'oci/runc',
    isolation: 'container',
    warm: false,
    limits,
    ...(gpu ? { gpu: true as const } : {}),
  }
  return { ...about(subject), type: 'sandbox.created', data }
}

function sample(
  subject: string,
  given: { moment?: Sample['moment']; usec?: number; counter?: string; memoryMb?: number; heldMb?: number },
): Sample {
  const { moment = 'running', usec = 0, counter = 'a', memoryMb = 512, heldMb } = given
  return {
    subject,
    atMs: performance.now(),
    cpu: { counter, usec },
    heldBytes: heldMb === undefined ? undefined : heldMb * 1024 * 1024,
    network: undefined,
    limits: { memoryMb, diskMb: 1024 },
    moment,
  }
}
