import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counters } from './counters.ts'
import type { FunctionRecord } from './function.ts'
import { FunctionSeries } from './function-series.ts'

const hourMs = 3_600_000
const record = (id: string): FunctionRecord => ({
  ...{ id, accountId: 'a', name: id, live: [], lastVersion: 1, createdAt: new Date(0), updatedAt: new Date(0) },
})

function rig(most: number) {
  let aheadMs = 0
  const counters = new Counters()
  const instances = new Map<string, number>()
  const now = () => performance.now() + aheadMs
  const series = new FunctionSeries(counters, { instancesOf: () => instances, most, now })
  const call = (id: string, ms = 3, ok = true) => {
    const outcome = ok
      ? { ok, result: undefined }
      : { ok: false as const, failure: { reason: 'error' as const, message: '' } }
    counters.count(record(id), { finished: { outcome, log: '', bytesOut: 0 } as never, cold: false, ms })
  }
  const read = () => Object.fromEntries(series.read().map((one) => [one.function?.id ?? 'other', one]))
  return { counters, instances, call, read, later: (ms: number) => (aheadMs += ms) }
}

test('a thousand functions are as many series as may be, and the others add up in one', () => {
  const { call, read, instances } = rig(10)
  for (let at = 0; at < 1000; at++) {
    call(`f${at}`)
    instances.set(`f${at}`, 1)
  }
  for (let at = 0; at < 10; at++) call(`f${at * 7}`)
  const shown = read()
  assert.equal(Object.keys(shown).length, 11)
  assert.equal(shown.f63?.invocations, 2, 'those that were called most')
  assert.deepEqual([shown.other?.invocations, shown.other?.instances], [990, 990])
})

test('no count ever falls while functions come and go, and each call is in exactly one', () => {
  const { call, read, later } = rig(1)
  call('one', 3)
  call('one', 3, false)
  assert.deepEqual([read().one?.invocations, read().one?.errors], [2, 1])
  call('two', 700)
  let shown = read()
  assert.deepEqual([shown.one?.invocations, shown.two, shown.other?.invocations], [2, undefined, 1])
  assert.deepEqual(shown.other?.durations.map((count, range) => (count > 0 ? range : undefined)).filter(Boolean), [9])
  later(2 * hourMs)
  shown = read()
  assert.deepEqual([shown.one, shown.other?.invocations], [undefined, 1], 'nobody called for an hour')
})

test('a function that was deleted is shown no more', () => {
  const { counters, call, read } = rig(5)
  call('one')
  read()
  counters.forget('one')
  assert.deepEqual(Object.keys(read()), ['other'])
})
