import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWithClient } from './client.ts'

const { warren } = await startWithClient()

test('a secret is kept, listed, changed and deleted', async () => {
  const made = await warren.secrets.create('token', 'hunter2', { hosts: ['api.example.com'] })
  assert.deepEqual(await warren.secrets.list(), [made])
  assert.deepEqual(await warren.secrets.get('token'), made)
  assert.equal((await warren.secrets.update(made.id, { value: 'hunter3' })).version, 2)
  await assert.rejects(warren.secrets.create('TOKEN', 'x'), { code: 'conflict' })
  await warren.secrets.delete('token')
  await assert.rejects(warren.secrets.get(made.id), { code: 'not_found' })
})
