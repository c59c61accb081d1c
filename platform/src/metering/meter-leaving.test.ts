import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../test/platform.ts'
import { openTestDatabase, whyNoPostgres } from '../../test/test-database.ts'
import type { Instance } from '../engine/engine.ts'
import { openBus } from '../events/bus.ts'
import { noWire } from '../events/wire.ts'
import { createLogger } from '../telemetry/logger.ts'
import { Meter } from './meter.ts'

const skip = (await whyNoPostgres('embedded')) || undefined

test('what leaves while it is recorded is not given what the next one in its network sends', { skip }, async (t) => {
  const db = await openTestDatabase(t, 'embedded')
  const bus = await openBus({ db, openWire: noWire })
  t.after(() => bus.close())
  const sampleOf = async (subject: string): Promise<{ sent: number; leaving: boolean } | undefined> => {
    const text =
      'select bytes_out_total as sent, leaving_at is not null as leaving from usage_samples where subject = $1'
    return (await db.pool.query(text, [subject])).rows[0]
  }
  const egress = { subject: 'i1', accountId: 'org0', resource: 'f1', attributes: { function: 'one' } }

  for (const id of ['s1', 'i1']) {
    const released = new Set<object>()
    let shown = { slot: 1, counter: 'its own', sent: 0, received: 0 }
    let held: Promise<void> | undefined
    let readsAll = false
    const network = {
      // Those of all are read when the test lets them be, those of one at once.
      counters: async (of?: object) => {
        readsAll ||= of === undefined
        if (!of) await held
        return [shown]
      },
      isReleased: (instance: object) => released.has(instance),
    }
    const meter = new Meter({ db, bus, network, logger: createLogger('warn') })
    const instance = {
      ...{ spec: { network: { slot: 1 } }, limits: { memoryMb: 512, diskMb: 1024 } },
      usage: async () => undefined,
    } as unknown as Instance
    if (id === 's1') meter.begins(id, instance)
    else meter.connects(egress, instance)
    await until('it is known', async () => (await sampleOf(id)) !== undefined)
    if (id === 's1') meter.sampled(id, instance, undefined)

    const { promise, resolve } = Promise.withResolvers<void>()
    held = promise
    const recorded = meter.close() // records what was seen, as it does every ten seconds
    await until('the counters are read', () => readsAll)
    shown = { ...shown, sent: 500 }
    await (id === 's1' ? meter.leaves(id, instance) : meter.disconnects(id))
    released.add(instance)
    shown = { ...shown, counter: "another's", sent: 7_000 }
    resolve()
    await recorded
    await until('the last look is recorded', async () => (await sampleOf(id))?.leaving)
    assert.equal((await sampleOf(id))?.sent, 500, id)

    // One that has gone before anybody looked is asked for nothing either.
    if (id !== 's1') continue
    await meter.leaves(id, instance)
    assert.equal((await sampleOf(id))?.sent, 500)
  }
})
