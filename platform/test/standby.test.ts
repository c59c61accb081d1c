import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Platform, startPlatform, until } from './platform.ts'
import { startSharedPostgres, whyNoPostgres } from './test-database.ts'

const skip = (await whyNoPostgres('embedded')) || undefined
const keys = ['admin.key', 'token.seed', 'accounts.seed', 'secrets.key']

test('two platforms on one PostgreSQL', { skip }, async (t) => {
  let stopDatabase = async () => {}
  const { databaseUrl } = await startSharedPostgres({ after: (stop) => (stopDatabase = stop) })
  const env = { DATABASE_URL: databaseUrl, WARREN_POOL_SIZE: '0' }
  const first = await startPlatform(env)
  let isReady = false
  const standingBy = startPlatform(env, {
    prepare: (home) =>
      Promise.all(keys.map((name) => copyFile(join(first.home, name), join(home, name)))).then(() => {}),
  }).then((platform) => {
    isReady = true
    return platform
  })
  standingBy.catch(() => {})
  const stranger = startPlatform(env)
  stranger.catch(() => {})
  let second: Platform

  await t.test('one with other keys is refused, and told what to do', async () => {
    await assert.rejects(stranger, /has other keys than this one\n +Copy admin\.key/)
  })

  await t.test('the second stands by: it takes nothing from the first', async () => {
    const path = await first.sandbox()
    const { stdout } = await first.json('POST', `${path}/execute`, { command: 'echo here' })
    assert.equal(stdout, 'here\n')
    assert.equal(isReady, false)
    assert.equal((await first.json('GET', path)).state, 'running')
  })

  await t.test('when the first is killed the second takes over, with what is in the database', async () => {
    const { id } = await first.json('POST', '/v1/webhooks', { url: 'https://example.com/hook' })
    await first.kill('SIGKILL')
    second = await standingBy
    assert.equal(second.key, first.key)
    assert.equal((await second.json('GET', `/v1/webhooks/${id}`)).id, id)
    await second.sandbox()
  })

  await t.test('one that stood still ends when it wakes up, and has changed nothing', async () => {
    const third = first.start()
    third.catch(() => {})
    second.process.kill('SIGSTOP')
    await third
    const path = await first.sandbox()
    const gone = new Promise((resolve) => second.process.once('exit', resolve))
    second.process.kill('SIGCONT')
    assert.equal(await gone, 1)
    assert.equal((await first.json('GET', path)).state, 'running')
  })

  await t.test('when the one that works is told to stop the other goes on', async () => {
    const starting = second.start()
    await until('it stands by', () => /stands by/.test(second.log()))
    await first.kill('SIGTERM')
    await starting
    await second.sandbox()
    await second.kill('SIGTERM')
  })

  after(() => stopDatabase())
})
