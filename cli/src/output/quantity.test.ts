import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shortDuration, shortSize } from './quantity.ts'

test('durations show their two largest units', () => {
  assert.deepEqual([0, 59_400, 90_000, 3_660_000, 90_000_000].map(shortDuration), [
    '0s',
    '59s',
    '1m30s',
    '1h1m',
    '1d1h',
  ])
})

test('sizes show the largest unit that fits', () => {
  assert.deepEqual([0, 1023, 1536, 200 * 1024 ** 2].map(shortSize), ['0 B', '1023 B', '1.5 KiB', '200 MiB'])
})
