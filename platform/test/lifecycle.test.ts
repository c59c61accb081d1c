import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const { runtimes } = await platform.json('GET', '/v1/runtimes')
const able = runtimes.find(
  ({ healthy, isolation, capabilities }: Answer) => healthy && isolation !== 'none' && capabilities.pause.memory,
)
const skip = able ? false : 'no runtime of this host pauses'
const isolation = { driver: able?.driver }
const stateOf = async (path: string) => (await platform.json('GET', path)).state
const execute = (path: string, command: string) => platform.call('POST', `${path}/execute`, { command })

test('onTimeout: "pause" keeps a sandbox when its time is over, over kill -9 too', { skip }, async () => {
  const path = await platform.sandbox({ isolation, onTimeout: 'pause', timeout: 600 })
  const { onTimeout, keepMemory, autoResume } = await platform.json('GET', path)
  assert.deepEqual({ onTimeout, keepMemory, autoResume }, { onTimeout: 'pause', keepMemory: true, autoResume: false })
  const { pid } = await platform.json('POST', `${path}/processes`, { command: 'sleep 3600' })
  await platform.json('POST', `${path}/timeout`, { timeout: 1 })
  await until('it is paused', async () => (await stateOf(path)) === 'paused')
  const { memory, expiresAt } = await platform.json('GET', path)
  assert.notEqual(memory, 'none')
  assert.ok(new Date(expiresAt).getTime() - Date.now() > 29 * 86_400_000, 'kept as long as can be')
  assert.equal((await execute(path, 'true')).status, 409, 'nothing wakes it')

  await platform.json('POST', `${path}/resume`, { timeout: 600 })
  await platform.json('POST', `${path}/timeout`, { timeout: 1 })
  await until('its time is about over', async () => (await stateOf(path)) !== 'running')
  await platform.kill('SIGKILL')
  await platform.start()
  await until('it is paused all the same', async () => (await stateOf(path)) === 'paused')
  await platform.json('POST', `${path}/resume`, { timeout: 600 })
  assert.match(await (await execute(path, `kill -0 ${pid} && echo lives`)).text(), /lives/)
  await platform.call('DELETE', path)
})

test('autoResume wakes a paused sandbox for whatever comes in, once for all of it', { skip }, async () => {
  const path = await platform.sandbox({ isolation, autoResume: true, timeout: 400 })
  await platform.json('POST', `${path}/pause`)
  const answers = await Promise.all([1, 2, 3].map(() => execute(path, 'echo awake')))
  for (const answer of answers) assert.match(await answer.text(), /awake/)
  const { state, expiresAt } = await platform.json('GET', path)
  assert.equal(state, 'running')
  assert.ok(new Date(expiresAt).getTime() - Date.now() > 380_000, 'it has its time again')

  await platform.json('POST', `${path}/pause`)
  assert.equal((await platform.call('GET', `${path}/ports/9/`)).status, 502, 'nothing listens there')
  assert.equal(await stateOf(path), 'running')
  await platform.json('POST', `${path}/pause`)
  const port = new URL(path, platform.url.replace('127.0.0.1', 'localhost'))
  assert.equal((await platform.fetch(`${port.pathname}/ports/9/`)).status, 401, 'without a key')
  assert.equal((await platform.call('GET', `${path}/metrics`)).status, 409, 'looking at it does not wake it')
  assert.equal(await stateOf(path), 'paused')
  await platform.call('DELETE', path)
})

test('files alone are not woken', { skip }, async (t) => {
  if (able.capabilities.snapshot.absent) return t.skip(able.capabilities.snapshot.absent)
  const path = await platform.sandbox({ isolation, autoResume: true })
  await execute(path, 'echo kept > kept')
  await platform.json('POST', `${path}/pause`, { memory: false })
  assert.equal((await execute(path, 'true')).status, 409)
  await platform.json('POST', `${path}/resume`)
  await platform.json('POST', `${path}/processes`, { command: 'sleep 3600' })
  await platform.json('POST', `${path}/pause`)
  const resumed = await platform.json('POST', `${path}/resume`, { memory: false })
  assert.equal(resumed.state, 'running')
  assert.match(await (await execute(path, 'cat kept; pgrep -c sleep')).text(), /kept\\n0\\n/)
  await platform.call('DELETE', path)
})

test('wishes that contradict each other, or that the runtime cannot keep, are refused', async () => {
  for (const wish of [{ keepMemory: false }, { onTimeout: 'pause', keepMemory: false, autoResume: true }]) {
    const refused = await platform.call('POST', '/v1/sandboxes', wish)
    assert.equal(refused.status, 400)
    assert.match((await refused.json()).message, /keepMemory: false/)
  }
  const unable = runtimes.find(({ healthy, capabilities }: Answer) => healthy && capabilities.snapshot?.absent)
  if (!unable) return
  const wish = { onTimeout: 'pause', keepMemory: false, isolation: { driver: unable.driver } }
  const refused = await platform.call('POST', '/v1/sandboxes', wish)
  assert.equal(refused.status, 400, await refused.clone().text())
  assert.match((await refused.json()).message, /onTimeout "pause" is not possible/)
})
