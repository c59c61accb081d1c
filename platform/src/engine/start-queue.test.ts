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
  gate.resolve()
  await Promise.all([first, pool, user])
  assert.deepEqual(order, ['user', 'pool'])
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
