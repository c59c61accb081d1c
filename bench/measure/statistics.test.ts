import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distribution } from './statistics.ts'

test('percentiles are samples, by nearest rank', () => {
  const samples = Array.from({ length: 100 }, (_, index) => 100 - index)
  assert.deepEqual(distribution(samples), { p50: 50, p95: 95, p99: 99, max: 100 })
  assert.deepEqual(distribution([7]), { p50: 7, p95: 7, p99: 7, max: 7 })
})
