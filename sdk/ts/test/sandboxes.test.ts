import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Warren, WarrenError } from '../src/index.ts'
import { startWithClient } from './client.ts'

const { platform, warren } = await startWithClient()

test('create() starts a sandbox that get() and list() find, until kill()', async () => {
  const sandbox = await warren.sandboxes.create({ metadata: { purpose: 'life' }, timeout: 120 })
  assert.equal(sandbox.info.state, 'running')
  assert.equal((await warren.sandboxes.get(sandbox.id)).id, sandbox.id)
  assert.deepEqual(
    (await warren.sandboxes.list({ metadata: { purpose: 'life' } })).map(({ id }) => id),
    [sandbox.id],
  )
  await sandbox.kill()
  await assert.rejects(warren.sandboxes.get(sandbox.id), { name: 'WarrenError', code: 'not_found', status: 404 })
})

test('`await using` kills the sandbox, and does not mind when it has ended before', async () => {
  let id: string
  {
    await using sandbox = await warren.sandboxes.create()
    id = sandbox.id
  }
  await assert.rejects(warren.sandboxes.get(id), { code: 'not_found' })
  await using ended = await warren.sandboxes.create()
  await ended.kill()
})

test('connect() and setTimeout() move the end of its life', async () => {
  await using sandbox = await warren.sandboxes.create({ timeout: 60 })
  const before = Date.parse(sandbox.info.expiresAt)
  const connected = await warren.sandboxes.connect(sandbox.id, { timeout: 600 })
  assert.ok(Date.parse(connected.info.expiresAt) > before + 400_000)
})

test('metrics() tells what it uses', async () => {
  await using sandbox = await warren.sandboxes.create({ limits: { memoryMb: 256 } })
  const { memoryLimitBytes, processes } = await sandbox.metrics()
  assert.equal(memoryLimitBytes, 256 * 1024 * 1024)
  assert.ok(processes >= 1)
})

test('errors are typed: a wrong key, a wrong template, a server that is not there', async () => {
  const stranger = new Warren({ baseUrl: platform.url, apiKey: 'e2b_wrong' })
  await assert.rejects(stranger.sandboxes.list(), { code: 'unauthenticated', status: 401 })
  await assert.rejects(warren.sandboxes.create({ template: 'nonsense' }), (error) => {
    assert.ok(error instanceof WarrenError)
    assert.equal(error.code, 'not_found')
    assert.ok(error.hint && error.requestId)
    return true
  })
  const nowhere = new Warren({ baseUrl: 'http://127.0.0.1:1' })
  await assert.rejects(nowhere.sandboxes.list(), { code: 'unavailable', status: undefined })
})

test('an address without a scheme is refused with its name and its value', () => {
  for (const baseUrl of ['foo', 'localhost:7070', 'ftp://x', 'http://'])
    assert.throws(() => new Warren({ baseUrl }), {
      code: 'invalid_request',
      message: new RegExp(`baseUrl.*http://.*"${baseUrl}"`),
    })
})

test('runtimes() and templates.list() tell what the server offers', async () => {
  assert.ok((await warren.runtimes()).some(({ healthy, isolation }) => healthy && isolation !== 'none'))
  assert.ok((await warren.templates.list()).some(({ name }) => name === 'base'))
})

test('posture() tells what was measured of a sandbox, and that it is in order', async () => {
  await using sandbox = await warren.sandboxes.create()
  const { ok, driver, checks } = await sandbox.posture()
  assert.equal(driver, sandbox.info.runtime?.driver)
  assert.equal(ok, true, JSON.stringify(checks.filter((check) => !check.ok)))
})

test('pause() and resume(), snapshot() and what is made from it; a fork says why it cannot be', async (t) => {
  const found = (await warren.runtimes()).find(({ healthy, capabilities }) => healthy && capabilities.snapshot.keeps)
  if (!found) return t.skip('no runtime of this host takes snapshots')
  await using sandbox = await warren.sandboxes.create({ isolation: { driver: found.driver }, limits: { diskMb: 64 } })
  await sandbox.files.write('/home/user/kept', 'kept')
  assert.equal((await sandbox.pause({ timeout: 100 })).state, 'paused')
  await assert.rejects(sandbox.exec('true'), { code: 'conflict' })
  assert.equal((await sandbox.resume()).state, 'running')

  const snapshot = await sandbox.snapshot({ name: 'sdk' })
  assert.deepEqual(await warren.snapshots.get(snapshot.id), snapshot)
  assert.deepEqual(await warren.snapshots.list({ name: 'sdk' }), [snapshot])
  const imported = await warren.snapshots.import(await warren.snapshots.export(snapshot.id), { name: 'again' })
  await warren.snapshots.delete(snapshot.id)
  await using copy = await warren.sandboxes.create({ snapshot: imported.id })
  assert.equal((await copy.exec('cat /home/user/kept')).stdout, 'kept')
  await warren.snapshots.delete(imported.id)
  await assert.rejects(warren.snapshots.delete(imported.id), { code: 'not_found' })

  if (found.capabilities.snapshot.keeps === 'files') {
    await assert.rejects(sandbox.fork({ count: 2 }), { code: 'invalid_request', message: /files alone/ })
    await assert.rejects(sandbox.clone(), { code: 'invalid_request' })
  } else for (const one of [...(await sandbox.fork()), await sandbox.clone()]) await one.kill()
})
