import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { describe, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import type { Instance } from '../engine/engine.ts'
import { openCgroups } from '../engine/host/cgroups.ts'
import { openBus } from '../events/bus.ts'
import type { Event } from '../events/event.ts'
import { appendEvent } from '../events/outbox.ts'
import { noWire } from '../events/wire.ts'
import type { Database } from '../storage/database.ts'
import { createLogger } from '../telemetry/logger.ts'
import { Meter } from './meter.ts'
import { readUsage } from './read-usage.ts'
import { recordSamples, type Sample } from './samples.ts'

const mebibyte = 1024 * 1024
const hourMs = 3_600_000
const limits = { cpuCores: 1, memoryMb: 512, diskMb: 1024, maxProcesses: 64, maxOpenFiles: 1024 }

for (const origin of postgresOrigins) {
  describe(`memory that was held, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('it is what was charged from look to look, and nothing while the memory is saved', async (t) => {
      const { seen, tell, held } = await rig(t)
      await tell('sandbox.created', 0)
      await seen({ at: 0, heldMb: 100, moment: 'first' })
      await seen({ at: 10, heldMb: 200 })
      await seen({ at: 20, heldMb: 300, moment: 'last' })
      await tell('sandbox.paused', 20, { memory: 'saved' })
      await tell('sandbox.resumed', 100, { expiresAt: '' })
      await seen({ at: 100, heldMb: 50, moment: 'first', counter: 'another group' })
      await seen({ at: 110, heldMb: 50, moment: 'last', counter: 'another group' })
      await tell('sandbox.stopped', 110, { reason: 'deleted' })
      near(await held(), [150 * 10_000 + 250 * 10_000, 0, 50 * 10_000])
    })

    test('one that stands still in memory holds what it held, and that once', async (t) => {
      const { seen, tell, held } = await rig(t)
      await tell('sandbox.created', 0)
      await seen({ at: 0, heldMb: 300, moment: 'first' })
      await seen({ at: 10, heldMb: 300, moment: 'last' })
      await tell('sandbox.paused', 10, { memory: 'resident' })
      await tell('sandbox.resumed', 30, { expiresAt: '' })
      await seen({ at: 30, heldMb: 100, moment: 'first' })
      await seen({ at: 35, heldMb: 100, moment: 'last' })
      await tell('sandbox.stopped', 35, { reason: 'deleted' })
      near(await held(), [300 * 10_000, 300 * 20_000, 100 * 5_000])
    })

    test('while nobody looked it goes straight from one charge to the other; what cannot be measured adds nothing', async (t) => {
      const { seen, tell, held } = await rig(t)
      await tell('sandbox.created', 0)
      await seen({ at: 0, heldMb: 100, moment: 'first' })
      await seen({ at: 10, heldMb: undefined })
      await seen({ at: 1000, heldMb: 300 })
      await seen({ at: 1000, heldMb: 300 })
      await tell('sandbox.failed', 5000, { reason: 'lost' })
      near(await held(), [200 * 1_000_000])
    })

    test('one of which nothing was recorded before the platform was killed held since it began, and since it went on', async (t) => {
      const { seen, tell, held } = await rig(t)
      await tell('sandbox.created', 0)
      await seen({ at: 100, heldMb: 200 })
      await seen({ at: 110, heldMb: 200, moment: 'last' })
      // Its pause failed, so it went on at once.
      await seen({ at: 120, heldMb: 200 })
      await seen({ at: 130, heldMb: 200, moment: 'last' })
      await tell('sandbox.paused', 130, { memory: 'saved' })
      await tell('sandbox.resumed', 500, { expiresAt: '' })
      await seen({ at: 520, heldMb: 50, moment: 'last', counter: 'another group' })
      await tell('sandbox.stopped', 520, { reason: 'deleted' })
      near(await held(), [200 * 130_000, 0, 50 * 20_000])
    })

    test('a full hour shares out by time what was held around it, and sums are of the facts alone', async (t) => {
      const hour = Math.floor(Date.now() / hourMs) * hourMs
      const { db, meter, seen, tell, held } = await rig(t, hour)
      await tell('sandbox.created', -10)
      await seen({ at: -10, heldMb: 100, moment: 'first' })
      await seen({ at: 30, heldMb: 100 })
      await meter.round()
      near(await held(), [100 * 10_000])
      await tell('sandbox.stopped', 30, { reason: 'deleted' })
      near(await held(), [100 * 10_000, 100 * 30_000])
      const account = { id: 'org0', name: '', maxSandboxes: 1 }
      const to = new Date(hour + hourMs).toISOString()
      const { total, groups } = await readUsage(db, account, { group: 'hour', to })
      assert.equal(
        total.memoryHeldMbMs,
        (await held()).reduce((sum, one) => sum + one, 0),
      )
      assert.equal(groups.length, 2)
    })
  })

  async function rig(t: Parameters<typeof openTestDatabase>[0], begunAt = Date.now() - 10_000_000) {
    const { db, meter } = await openMeter(t, origin)
    const startedAt = Date.now() - performance.now()
    const seen = async (given: {
      at: number
      heldMb: number | undefined
      moment?: Sample['moment']
      counter?: string
    }): Promise<void> => {
      const { at, heldMb, moment = 'running', counter = 'its group' } = given
      const sample: Sample = {
        ...{ subject: 's1', moment, limits, network: undefined },
        atMs: begunAt + at * 1000 - startedAt,
        cpu: heldMb === undefined ? undefined : { counter, usec: 0 },
        heldBytes: heldMb === undefined ? undefined : heldMb * mebibyte,
      }
      await recordSamples(db, [sample])
      // Not when the statement was executed, which may be late.
      const text =
        'update usage_samples set at = $1, leaving_at = case when leaving_at is not null then $1::timestamptz end'
      await db.pool.query(text, [new Date(begunAt + at * 1000)])
    }
    const tell = async (type: 'sandbox.created' | Told, at: number, data: object = started) => {
      const { rows } = await db.pool.query('select coalesce(max(seq), 0) as last from events')
      await db.transaction((tx) => appendEvent(tx, { accountId: 'org0', subject: 's1', type, data } as Event))
      await db.pool.query('update events set at = $1 where seq > $2', [new Date(begunAt + at * 1000), rows[0].last])
      await meter.catchUp()
    }
    const held = async () => {
      const facts = await db.kysely.selectFrom('usage_facts').select('memory_held_mb_ms').orderBy('seq').execute()
      return facts.map(({ memory_held_mb_ms }) => memory_held_mb_ms)
    }
    return { db, meter, seen, tell, held }
  }
}

const cgroups = await openCgroups(`warren-test-held-${process.pid}`)
const whyNot = cgroups
  ? (await whyNoPostgres('embedded')) || false
  : 'control groups cannot be made here, so nothing is charged'

test('what two control groups share is counted once, what is copied again; and over a killed platform', {
  skip: whyNot,
}, async (t) => {
  const groups = cgroups!
  const folder = mkdtempSync('/dev/shm/warren-test-')
  const inside: ChildProcess[] = []
  t.after(async () => {
    for (const id of ids) await groups.remove(id)
    await groups.close()
    for (const child of inside) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })
  const ids = ['source', 'sharing', 'copying']
  const run = async (id: string, command: string) => {
    await groups.create(id, limits)
    const join = groups.joinFiles(id).map((file) => `echo 0 > ${file}`)
    const child = spawn('sh', ['-ec', [...join, command, 'echo ready', 'exec sleep 600'].join('\n')])
    inside.push(child)
    await new Promise((resolve, reject) => {
      child.stdout!.once('data', resolve)
      child.once('exit', () => reject(new Error(`${id} ended`)))
    })
  }
  await run('source', `head -c ${64 * mebibyte} /dev/zero > ${folder}/memory`)
  await run('sharing', `cat ${folder}/memory > /dev/null`)
  await run('copying', `cp --sparse=never ${folder}/memory ${folder}/copy`)

  const { db, meter, open } = await openMeter(t, 'embedded')
  const instances = ids.map((id) => ({ spec: {}, limits, usage: () => groups.usage(id) }) as unknown as Instance)
  for (const [index, id] of ids.entries()) {
    await db.transaction((tx) =>
      appendEvent(tx, { accountId: 'org0', subject: id, type: 'sandbox.created', data: started } as Event),
    )
    meter.begins(id, instances[index]!)
  }
  const known = 'select count(*)::int as known from usage_samples'
  while ((await db.pool.query(known)).rows[0].known < ids.length)
    await new Promise((resolve) => setTimeout(resolve, 10))
  await new Promise((resolve) => setTimeout(resolve, 300))

  // Of the first nobody hears any more: as if its process had been killed.
  const next = open()
  await Promise.all(ids.map((id, index) => next.leaves(id, instances[index]!)))
  for (const id of ids)
    await db.transaction((tx) =>
      appendEvent(tx, { accountId: 'org0', subject: id, type: 'sandbox.stopped', data: { reason: 'deleted' } }),
    )
  await next.catchUp()

  const account = { id: 'org0', name: '', maxSandboxes: 3 }
  const report = await readUsage(db, account, { group: 'subject', to: new Date(Date.now() + hourMs).toISOString() })
  const held = Object.fromEntries(report.groups.map(({ key, memoryHeldMbMs }) => [key, memoryHeldMbMs]))
  const { source = 0, sharing = 0, copying = 0 } = held
  const said = JSON.stringify(report.groups)
  assert.ok(copying >= 64 * 300, said)
  assert.ok(source + sharing > 0.8 * copying && source + sharing < 1.4 * copying, said)
  assert.ok(sharing < 0.25 * source, said)
  assert.equal(report.total.memoryHeldMbMs, source + sharing + copying)
})

type Told = 'sandbox.paused' | 'sandbox.resumed' | 'sandbox.stopped' | 'sandbox.failed'

const started = {
  ...{ template: 'base', driver: 'oci/runc', isolation: 'container', warm: false },
  limits: { cpuCores: 1, memoryMb: 512, diskMb: 1024 },
}

async function openMeter(t: Parameters<typeof openTestDatabase>[0], origin: (typeof postgresOrigins)[number]) {
  const db: Database = await openTestDatabase(t, origin)
  const network = { counters: async () => [], isReleased: () => false }
  const bus = await openBus({ db, openWire: noWire })
  t.after(() => bus.close())
  const open = () => new Meter({ db, bus, network, logger: createLogger('warn') })
  return { db, meter: open(), open }
}

/** Statements are executed a moment after what they tell of. */
const tolerance = 0.1

function near(found: number[], expected: number[]): void {
  assert.equal(found.length, expected.length, JSON.stringify(found))
  for (const [index, one] of expected.entries())
    assert.ok(
      Math.abs(found[index]! - one) <= tolerance * one,
      `${JSON.stringify(found)}, not ${JSON.stringify(expected)}`,
    )
}
