import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentImages } from './recent-images.ts'

test('images that were shown last are there, up to so much of all runs together, and none of a run that is over', async () => {
  const images = new RecentImages(10)
  const loaded: string[] = []
  const shown = (runId: string, hash: string, size = 4) =>
    images.get(runId, hash, (wanted) => {
      loaded.push(`${runId}${wanted}`)
      return Promise.resolve(wanted === 'none' ? undefined : wanted.repeat(size))
    })
  for (const hash of ['a', 'b', 'a', 'c', 'a', 'b']) assert.equal(await shown('u', hash), hash.repeat(4))
  assert.deepEqual(loaded, ['ua', 'ub', 'uc', 'ub'], 'what was shown longest ago gave way')
  assert.equal(await shown('u', 'none'), undefined)
  assert.equal((await shown('u', 'd', 20))?.length, 20, 'one that is too large is shown all the same')
  await shown('v', 'a')
  images.forget('u')
  await shown('v', 'a')
  assert.deepEqual(loaded.slice(4), ['unone', 'ud', 'va'])
})
