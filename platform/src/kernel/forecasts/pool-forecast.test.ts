import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet } from './arrivals.ts'
import { PoolForecast } from './pool-forecast.ts'

function afterMinutes(claims: (minute: number) => number, minutes: number): PoolForecast {
  const pool = new PoolForecast(new Fleet(), { least: 4, most: 16 })
  for (let minute = 0; minute < minutes; minute++) {
    for (let at = 0; at < claims(minute); at++) pool.claimed()
    pool.advance()
  }
  return pool
}

test('a pool is as large as the operator set it where little is claimed, and grows with what is foreseen', () => {
  assert.equal(afterMinutes(() => 0, 30).size, 4)
  assert.equal(afterMinutes(() => 2, 30).size, 4)
  const busy = afterMinutes(() => 9, 60).size
  assert.ok(busy >= 9 && busy <= 16, String(busy))
  assert.equal(afterMinutes(() => 500, 30).size, 16)
})

test('it shrinks again when the claims have gone', () => {
  assert.equal(afterMinutes((minute) => (minute < 30 ? 12 : 0), 150).size, 4)
})
