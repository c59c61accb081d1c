import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import pg from 'pg'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })
const deploy = (name: string, source: string, settings: object = {}) =>
  platform.json('PUT', `/v1/functions/${name}`, {
    runtime: 'node24',
    files: { 'index.js': Buffer.from(source).toString('base64') },
    settings,
  })
const get = (name: string): Promise<Answer> => platform.json('GET', `/v1/functions/${name}`)

async function call(name: string, times: number): Promise<void> {
  for (let at = 0; at < times; at++) await platform.json('POST', `/v1/functions/${name}/invoke`, { at })
}

/** The function once its newest version is this one. */
const version = (name: string, number: number) =>
  until(
    `${name} has version ${number}`,
    async () => {
      const found = await get(name)
      return found.latest >= number && found
    },
    60_000,
  )

const echo = 'exports.handler = async (event) => event'

test('what calls used is measured and what would do is suggested; only where it is allowed it is done, as a version', async () => {
  await deploy('asked', echo, { memoryMb: 1024 })
  await deploy('allowed', echo, { memoryMb: 1024, autoMemory: true })
  assert.equal((await get('asked')).measured, undefined)
  for (const name of ['asked', 'allowed']) await call(name, 101)
  const resized = await version('allowed', 2)
  const [first, second] = resized.versions
  assert.ok(second.settings.memoryMb < 1024 && second.settings.memoryMb >= 64, `${second.settings.memoryMb}`)
  assert.deepEqual(
    [second.codeHash, { ...second.settings, memoryMb: 1024 }, resized.live],
    [first.codeHash, first.settings, [{ version: 2, weight: 100 }]],
  )
  await call('allowed', 3)
  const { measured, latest } = await until('all calls were measured', async () => {
    const found = await get('asked')
    return found.measured?.calls === 101 && found
  })
  assert.equal(latest, 1)
  const { memoryMb, suggestion, outOfMemory } = measured
  assert.equal(outOfMemory, 0)
  assert.ok(memoryMb.p95 <= memoryMb.max && memoryMb.max > 0 && memoryMb.max < 1024, JSON.stringify(measured))
  assert.ok(suggestion.memoryMb >= memoryMb.max * 1.2 && suggestion.memoryMb < 1024, JSON.stringify(measured))
})

test('what ran out of memory gets more, and nothing is changed where calls are split', async () => {
  const large = `exports.handler = async (event) => event?.large ? Buffer.alloc(event.large << 20, 1).length : 1`
  await deploy('grows', large, { memoryMb: 96, autoMemory: true })
  await deploy('split', echo, { memoryMb: 1024, autoMemory: true })
  await deploy('split', `exports.handler = async (event) => [event]`, { memoryMb: 1024, autoMemory: true })
  const targets = [
    { version: 1, weight: 1 },
    { version: 2, weight: 99 },
  ]
  await platform.json('PUT', '/v1/functions/split/live', { targets })
  const failed = await platform.call('POST', '/v1/functions/grows/invoke', { large: 300 })
  assert.equal((await failed.json()).details.reason, 'out_of_memory')
  await call('split', 105)
  const { versions } = await version('grows', 2)
  assert.ok(versions[1].settings.memoryMb >= 96 * 1.5, JSON.stringify(versions[1].settings))
  assert.equal((await get('split')).latest, 2)
})

test('a start learns from what the last calls of before used, and from what was too little; not from all that there ever were', async () => {
  await deploy('learned', echo, { memoryMb: 1024, autoMemory: true })
  await deploy('shown', echo, { memoryMb: 1024 })
  for (const name of ['learned', 'shown']) await call(name, 60)
  await call('grows', 3)
  // Whoever reads waits until they are in the database.
  for (const name of ['learned', 'shown', 'grows']) await platform.json('GET', `/v1/functions/${name}/invocations`)
  const client = new pg.Client({ host: join(platform.home, 'postgres', 'data'), user: 'warren', database: 'postgres' })
  await client.connect()
  await client.query(
    `insert into function_invocations (id, account_id, function_id, version, trigger, state, created_at, started_at, ended_at, billed_ms, cpu_ms, peak_mb)
     select name || n, account_id, id, 1, 'http', 'succeeded', at, at, at, 100, 1, case when n <= 140 then 100 else 900 end
     from functions, generate_series(1, 5000) as n, lateral (select now() - make_interval(mins => n + 60) as at) as times where name in ('learned', 'shown')`,
  )
  await client.end()
  await platform.kill('SIGKILL')
  await platform.start()
  const { measured } = await until('what was is known', async () => {
    const found = await get('shown')
    return found.measured && found
  })
  assert.equal(measured.calls, 200)
  assert.ok(measured.memoryMb.max >= 100 && measured.memoryMb.max < 900, JSON.stringify(measured))
  const { versions } = await version('learned', 2)
  assert.ok(versions[1].settings.memoryMb >= 128 && versions[1].settings.memoryMb < 900)

  await call('grows', 20)
  const { latest, measured: small } = await until('all calls were measured', async () => {
    const found = await get('grows')
    return found.measured?.calls >= 20 && found
  })
  assert.equal(latest, 2)
  assert.ok(small.suggestion.memoryMb >= 96 * 1.5, JSON.stringify(small))
})
