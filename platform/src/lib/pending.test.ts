import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pending } from './pending.ts'

test('all work is waited for, also what begins meanwhile and what fails', async () => {
  const pending = new Pending()
  await pending.over()
  const over: string[] = []
  const first = Promise.withResolvers<void>()
  const later = Promise.withResolvers<void>()
  const failing = pending.add(Promise.reject(new Error('it is its caller who hears of this')))
  await assert.rejects(failing, /its caller/)
  void pending.add(
    first.promise.then(() => {
      void pending.add(later.promise.then(() => over.push('later')))
      over.push('first')
    }),
  )
  const end = pending.over().then(() => over.push('all'))
  first.resolve()
  await new Promise(setImmediate)
  assert.deepEqual(over, ['first'])
  later.resolve()
  await end
  assert.deepEqual(over, ['first', 'later', 'all'])
})
