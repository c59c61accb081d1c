import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWithClient } from './client.ts'

const { warren } = await startWithClient()

test('a volume is made, mounted, kept and deleted', async () => {
  const made = await warren.volumes.create('results', { sizeMb: 64 })
  assert.deepEqual(await warren.volumes.list(), [made])
  assert.deepEqual(await warren.volumes.get('results'), made)
  const volumes = [{ name: 'results', path: '/home/user/results' }]
  const one = await warren.sandboxes.create({ volumes })
  assert.deepEqual(one.info.volumes, volumes)
  await one.files.write('/home/user/results/a', 'kept')
  await assert.rejects(warren.volumes.delete('results'), { code: 'conflict' })
  await one.kill()
  const other = await warren.sandboxes.create({ volumes })
  assert.equal(await other.files.readText('/home/user/results/a'), 'kept')
  await other.kill()
  await warren.volumes.delete(made.id)
  await assert.rejects(warren.volumes.get('results'), { code: 'not_found' })
})
