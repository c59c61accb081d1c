import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../telemetry/logger.ts'
import { Expiry } from './expiry.ts'

const hour = 3_600_000

test('a clock that jumps: what has expired by it is swept at the latest a minute after, and no timer fires early', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let clock = Date.parse('2026-01-01T00:00:00Z')
  let expiresAt = new Date(clock + hour / 2)
  const ended: number[] = []
  const expiry = new Expiry({
    now: () => new Date(clock),
    logger: createLogger('warn'),
    sweep: async () => {
      if (expiresAt.getTime() <= clock) ended.push(clock)
      return expiresAt.getTime() > clock ? expiresAt : undefined
    },
  })
  t.after(() => expiry.close())
  const pass = async (ms: number) => {
    clock += ms
    t.mock.timers.tick(ms)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  await expiry.start()
  for (let minute = 0; minute < 10; minute++) await pass(60_000)
  assert.deepEqual(ended, [])

  clock += hour
  await pass(60_000)
  assert.equal(ended.length, 1)

  clock -= 2 * hour
  ended.length = 0
  expiresAt = new Date(clock + 2 * 60_000)
  await pass(60_000)
  assert.deepEqual(ended, [])
  await pass(60_000)
  assert.equal(ended.length, 1)
})
