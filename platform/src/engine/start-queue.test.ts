import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { StartQueue } from './start-queue.ts'

const never = new AbortController().signal

test('no more than the width run at once, and somebody who waits goes before the pool', async () => {
  const queue = new StartQueue(1)
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = queue.run('urgent', never, () => gate.promise)
  const pool = queue.run('background', never, async () => void order.push('pool'))
  const user = queue.run('urgent', never, async () => void order.push('user'))
  await turn()
  assert.deepEqual(order, [])
  assert.deepEqual(queue.waiting, { urgent: 1, background: 1 })
  gate.resolve()
  await Promise.all([first, pool, user])
  assert.deepEqual(order, ['user', 'pool'])
  assert.deepEqual(queue.waiting, { urgent: 0, background: 0 })
})

test('one who gives up while waiting leaves the queue and takes no place', async () => {
  const queue = new StartQueue(1)
  const gate = Promise.withResolvers<void>()
  const first = queue.run('urgent', never, () => gate.promise)
  const giveUp = new AbortController()
  const second = queue.run('urgent', giveUp.signal, async () => assert.fail('ran'))
  giveUp.abort(new Error('gone'))
  await assert.rejects(second, /gone/)
  gate.resolve()
  await first
  assert.equal(await queue.run('urgent', never, async () => 'next'), 'next')
})

test('a task that fails gives its place back', async () => {
  const queue = new StartQueue(1)
  await assert.rejects(
    queue.run('urgent', never, () => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.equal(await queue.run('urgent', never, async () => 1), 1)
})

test('refilling the pool leaves three quarters of the places to those who wait', async () => {
  const queue = new StartQueue(8)
  const gate = Promise.withResolvers<void>()
  let running = 0
  const refills = Array.from({ length: 5 }, () =>
    queue.run('background', never, () => {
      running++
      return gate.promise
    }),
  )
  await turn()
  assert.equal(running, 2)
  assert.equal(await queue.run('urgent', never, async () => 'served'), 'served')
  gate.resolve()
  await Promise.all(refills)
  assert.equal(running, 5)
})
