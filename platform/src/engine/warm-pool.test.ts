import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instance } from './instance.ts'
import { WarmPool } from './warm-pool.ts'

test('what is given back has its place again while that is free, and does not make the pool grow', async () => {
  const member = (id: string) => ({ id, alive: true, onExit: () => {} }) as unknown as Instance
  const discarded: Instance[] = []
  const pool = new WarmPool({
    size: () => 1,
    start: () => Promise.reject(new Error('nothing is started here')),
    discard: (instance) => Promise.resolve(void discarded.push(instance)),
    onFailure: () => {},
  })
  const [one, two] = [member('one'), member('two')]
  pool.giveBack(one)
  assert.deepEqual([pool.ready, discarded], [1, []])
  pool.giveBack(two)
  assert.deepEqual([pool.ready, discarded], [1, [two]])
  await pool.close()
})
