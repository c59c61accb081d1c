import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWithClient } from './client.ts'

const { warren } = await startWithClient()

test('contexts keep what they have been told, deliver output while it comes, and end', async () => {
  await using sandbox = await warren.sandboxes.create()
  const context = await sandbox.contexts.create({ cwd: '/tmp' })
  assert.equal((await context.execute('x = 41\nprint("out")')).stdout, 'out\n')
  const pieces: string[] = []
  const { result, stdout } = await context.execute('print("more")\nx + 1', { onStdout: (text) => pieces.push(text) })
  assert.deepEqual([result, stdout, pieces.join('')], ['42', 'more\n', 'more\n'])
  const { reason, error } = await context.execute('1 / 0')
  assert.deepEqual([reason, error!.name], ['raised', 'ZeroDivisionError'])
  const [info] = await sandbox.contexts.list()
  assert.deepEqual([info!.id, info!.state, info!.cwd], [context.id, 'idle', '/tmp'])
  await context.remove()
  await assert.rejects(sandbox.contexts.get('cnothing').execute('1'), { code: 'not_found' })
})
