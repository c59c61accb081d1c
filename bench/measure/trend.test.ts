import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trendOf } from './trend.ts'

const tolerance = { share: 0.05, least: 2 }
const series = (values: number[]) => values.map((value, index) => ({ atMs: index * 60_000, value }))

test('what rises steadily is growing, with its slope', () => {
  const trend = trendOf('fds', series([10, 12, 14, 16, 18]), tolerance)
  assert.deepEqual([trend.verdict, Math.round(trend.perHour), trend.mean], ['growing', 120, 14])
})

test('what stays, falls, goes up and down, or rises within the tolerance is flat', () => {
  for (const values of [
    [5, 5, 5, 5],
    [9, 7, 5, 3],
    [5, 9, 5, 9, 5, 9],
    [100, 101, 100, 101],
    [10, 10, 11, 11],
  ])
    assert.equal(trendOf('x', series(values), tolerance).verdict, 'flat', String(values))
})
