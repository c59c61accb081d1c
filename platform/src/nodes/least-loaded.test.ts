import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leastLoaded } from './least-loaded.ts'

test('the least loaded is the one of whose memory the smallest part is promised; of equals the first', () => {
  const own = { name: 'own', memoryMb: 1000, promisedMb: 0 }
  const small = { name: 'small', memoryMb: 500, promisedMb: 0 }
  const large = { name: 'large', memoryMb: 4000, promisedMb: 1000 }
  assert.equal(leastLoaded([], 100), undefined)
  assert.equal(leastLoaded([own, { ...own, name: 'other' }], 100)?.name, 'own')
  assert.equal(leastLoaded([small, own], 100)?.name, 'own', 'the same is a larger part of a smaller one')
  assert.equal(leastLoaded([own, large], 100)?.name, 'own')
  assert.equal(leastLoaded([{ ...own, promisedMb: 500 }, large], 100)?.name, 'large')
})
