import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../test/platform.ts'
import { openSharedDatabase, whyNoPostgres } from '../../test/test-database.ts'
import { openBus } from '../events/bus.ts'
import { appendEvent } from '../events/outbox.ts'
import { postgresWire } from '../events/postgres-wire.ts'
import type { Database } from '../storage/database.ts'
import { createLogger } from '../telemetry/logger.ts'
import { followSecrets } from './follow-secrets.ts'

const skip = (await whyNoPostgres('embedded')) || undefined
const logger = createLogger('silent')

function tell(db: Database, type: 'secret.created' | 'secret.updated' | 'secret.deleted', name: string) {
  const about = { accountId: 'o1', subject: 'x1', data: { name, version: 1 } }
  return db.transaction((tx) => appendEvent(tx, { type, ...about }))
}

test('a worker is told of each secret that changes on another node, in order, also after one that failed', {
  skip,
}, async (t) => {
  const [platform, worker] = await openSharedDatabase(t, 2)
  await tell(platform!, 'secret.updated', 'before it began')
  const buses = await Promise.all(
    [platform!, worker!].map((db) => openBus({ db, openWire: postgresWire({ db, logger }) })),
  )
  t.after(() => Promise.all(buses.map((bus) => bus.close())))
  const seen: string[] = []
  let fails = 1
  const renew = async (accountId: string, name: string) => {
    if (name === 'b' && fails-- > 0) throw new Error('the gateway was away for a moment')
    seen.push(`${accountId} ${name}`)
  }
  const stop = await followSecrets({ db: worker!, bus: buses[1]!, renew, logger })
  t.after(stop)
  await tell(platform!, 'secret.updated', 'a')
  await tell(platform!, 'secret.created', 'of no sandbox yet')
  await tell(platform!, 'secret.deleted', 'b')
  await until('two are there', () => seen.length >= 2)
  await tell(platform!, 'secret.updated', 'c')
  await until('and the third', () => seen.length >= 3)
  assert.deepEqual(seen, ['o1 a', 'o1 b', 'o1 c'])
})
