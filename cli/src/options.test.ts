import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duration, unenforcedOptions, wholeDuration } from './options.ts'

test('times are seconds, or a number with its unit', () => {
  assert.deepEqual(['90', '0.5', '30s', '10m', '2h', '1d'].map(duration), [90, 0.5, 30, 600, 7200, 86_400])
  for (const wrong of ['', '0', '-1', '10x', 'm', '1e3', ' 5']) assert.throws(() => duration(wrong), wrong)
  assert.equal(wholeDuration('1.5m'), 90)
  assert.throws(() => wholeDuration('0.5'))
})

test('only a limit that was asked for and that nothing keeps is warned of', () => {
  const runtime = { driver: 'namespaces', isolation: 'namespaces', disk: 'none', passedOver: [] } as const
  const host = { ...runtime, passedOver: [], unenforced: ['cpuCores' as const, 'memoryMb' as const] }
  assert.deepEqual(unenforcedOptions({ memory: 64, processes: 10, disk: 100 }, host), ['--memory', '--disk'])
  assert.deepEqual(unenforcedOptions({}, host), [])
})
