import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FreshCache } from './fresh-cache.ts'

test('an answer is asked for once, by all who want it, until it is forgotten or pushed out', async () => {
  const cache = new FreshCache<string>({ freshMs: 60_000, most: 2 })
  let asked = 0
  const ask = async () => `answer ${++asked}`
  assert.deepEqual(await Promise.all([cache.get('a', ask), cache.get('a', ask)]), ['answer 1', 'answer 1'])
  cache.forget('a')
  assert.equal(await cache.get('a', ask), 'answer 2')
  await cache.get('b', ask)
  await cache.get('c', ask)
  assert.equal(await cache.get('a', ask), 'answer 5', 'the oldest went first')
})

test('what is not there, what failed and what is old is asked for again', async () => {
  const cache = new FreshCache<string>({ freshMs: 60_000, most: 2 })
  assert.equal(await cache.get('a', async () => undefined), undefined)
  await assert.rejects(
    cache.get('a', async () => {
      throw new Error('no')
    }),
  )
  assert.equal(await cache.get('a', async () => 'now'), 'now')
  const stale = new FreshCache<number>({ freshMs: 0, most: 2 })
  assert.deepEqual([await stale.get('a', async () => 1), await stale.get('a', async () => 2)], [1, 2])
})
