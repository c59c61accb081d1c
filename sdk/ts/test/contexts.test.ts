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

test('languages, results in their forms, an environment for one call, and a context that forgets', async () => {
  await using sandbox = await warren.sandboxes.create()
  const context = await sandbox.contexts.create({ language: 'bash' })
  const { stdout, reason } = await context.execute('x=1; echo $ONE', { env: { ONE: 'one' } })
  assert.deepEqual([stdout, reason], ['one\n', 'completed'])
  await context.restart()
  assert.equal((await context.execute('echo "[$x$ONE]"')).stdout, '[]\n')
  const python = await sandbox.contexts.create()
  const code = 'class Rich:\n  def _repr_html_(self): return "<b>"\n  def __repr__(self): return "rich"\nRich()'
  const shown: string[] = []
  const { results, result } = await python.execute(code, { onResult: ({ html }) => shown.push(html!) })
  assert.deepEqual(results, [{ main: true, text: 'rich', html: '<b>', extra: {} }])
  assert.deepEqual([result, shown], ['rich', ['<b>']])
  assert.deepEqual((await python.execute('Rich()')).results, results)
})
