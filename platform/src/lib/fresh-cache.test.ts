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

test('where asking fails or takes long, what was answered last is good enough, until it is told anew or forgotten', async () => {
  const cache = new FreshCache<string>({ freshMs: 0, patienceMs: 1, most: 2 })
  const fail = async () => {
    throw new Error('no')
  }
  await assert.rejects(cache.get('a', fail))
  assert.equal(await cache.get('a', async () => 'first'), 'first')
  assert.equal(await cache.get('a', fail), 'first')

  let answer = (_text: string | undefined) => {}
  const slow = () =>
    new Promise<string | undefined>((resolve) => {
      answer = resolve
    })
  assert.equal(await cache.get('a', slow), 'first')
  assert.equal(await cache.get('a', fail), 'first', 'it is not asked for twice')
  answer('second')
  await new Promise(setImmediate)
  assert.equal(await cache.get('a', slow), 'second')
  cache.forget('a')
  await assert.rejects(cache.get('a', fail))

  await cache.get('b', async () => 'there')
  assert.equal(await cache.get('b', async () => undefined), undefined, 'what has gone is not answered from memory')
  await assert.rejects(cache.get('b', fail))
})
