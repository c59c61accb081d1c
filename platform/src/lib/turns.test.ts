import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from './turns.ts'

test('work on one thing waits for the work before it, also when that fails; other things do not wait', async () => {
  const turns = new Turns()
  const done: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = turns.take('a', async () => {
    await gate.promise
    done.push('first')
    throw new Error('failed')
  })
  const second = turns.take('a', () => void done.push('second'))
  await turns.take('b', () => void done.push('other'))
  gate.resolve()
  await assert.rejects(first, /failed/)
  await second
  assert.deepEqual(done, ['other', 'first', 'second'])
})
