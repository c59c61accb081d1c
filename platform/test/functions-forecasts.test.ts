import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { minuteOf } from '../src/functions/demand/demand.ts'
import { processesOf, startPlatform, until } from './platform.ts'

/** The platform starts when a minute of forecasts just has: none ends before the first test has told its clock to go ahead. */
const first = (minuteOf(new Date()) + 1) * 60_000 - 9_000 - Date.now()
const platform = await startPlatform(
  { WARREN_FUNCTION_POOL: '1', WARREN_POOL_SIZE: '0', AHEAD_MS: `${first}` },
  { preload: { module: fileURLToPath(new URL('moved-clock.ts', import.meta.url)), onMessage: () => {} } },
)
let aheadMinutes = 0

async function deploy(name: string, settings: object = {}): Promise<string> {
  const files = { 'index.js': Buffer.from('exports.handler = async () => 1').toString('base64') }
  await platform.json('PUT', `/v1/functions/${name}`, { runtime: 'node24', files, settings })
  return (await platform.json('GET', `/v1/functions/${name}`)).id
}

const instances = async (name: string): Promise<number> =>
  (await platform.json('GET', `/v1/functions/${name}`)).instances
const invoke = (name: string) => platform.call('POST', `/v1/functions/${name}/invoke`, '{}')

/** The platform finds itself so many minutes later. */
function wait(minutes: number): void {
  aheadMinutes += minutes
  platform.process.send!({ aheadMs: first + aheadMinutes * 60_000 })
}

/** Records calls of a function as they would have been made so many minutes ago. */
async function wereMade(functionId: string, minutesAgo: readonly number[]): Promise<void> {
  const client = new pg.Client({ host: join(platform.home, 'postgres', 'data'), user: 'warren', database: 'postgres' })
  await client.connect()
  const now = minuteOf(new Date(Date.now() + first))
  // In the middle of the minutes of forecasts.
  const times = minutesAgo.map((ago) => new Date((now - ago) * 60_000 + 20_000))
  await client.query(
    `insert into function_invocations (id, account_id, function_id, version, trigger, attempt, state, log, created_at, started_at, ended_at)
     select 'past' || $1 || '-' || n, account_id, id, 1, 'http', 1, 'succeeded', '', at, at, at
     from functions, unnest($2::timestamptz[]) with ordinality as past (at, n) where id = $1`,
    [functionId, times],
  )
  await client.end()
}

test('an instance is there before the calls that forecasts expect by what was recorded, and not between them', async () => {
  const timer = await deploy('timer')
  // Two minutes in every thirty; the next ones come in 15.
  const past = Array.from({ length: 11 }, (_, at) => [15 + 30 * at, 14 + 30 * at]).flat()
  await wereMade(timer, past)
  await platform.kill('SIGTERM')
  await platform.start()
  const other = await deploy('other')
  assert.notEqual(other, timer)
  assert.equal((await invoke('other')).status, 200)
  assert.equal(await instances('timer'), 0)

  wait(15)
  await until('one is there', async () => (await instances('timer')) === 1)
  const reply = await invoke('timer')
  assert.equal(reply.status, 200)
  assert.equal(reply.headers.get('x-warren-cold-start'), null)
  const { counts } = await platform.json('GET', '/v1/functions/timer')
  assert.deepEqual([counts.invocations, counts.coldStarts], [1, 0])

  wait(14)
  await until('none is there any more', async () => (await instances('timer')) === 0)
})

test('one that nobody calls again goes, and one that settings ask for stays', async () => {
  await deploy('rare')
  await deploy('kept', { minInstances: 1 })
  const first = await invoke('rare')
  assert.equal(first.headers.get('x-warren-cold-start'), 'true')
  assert.equal((await invoke('kept')).status, 200)
  wait(3)
  // Nothing is known of calls yet, so it is kept as long as the operator has set.
  await until('a minute has passed', async () => (await invoke('kept')).status === 200)
  assert.equal(await instances('rare'), 1)
  wait(40)
  await until('it is gone', async () => (await instances('rare')) === 0)
  assert.equal(await instances('kept'), 1)
})

test('with forecasts turned off only time since the last call counts', async () => {
  await platform.kill('SIGTERM')
  aheadMinutes = 0
  await platform.start({ WARREN_FUNCTION_FORECASTS: 'no', WARREN_FUNCTION_IDLE_SECONDS: '1' })
  await deploy('short')
  await invoke('short')
  await until('it is gone', async () => (await instances('short')) === 0)
})

test('a stop while instances start leaves none of them', async () => {
  for (const name of ['one', 'two', 'three']) await deploy(name, { minInstances: 2 })
  for (const pauseMs of [0, 150, 300, 600]) {
    await platform.kill('SIGTERM')
    assert.deepEqual(processesOf(platform.home), [])
    await platform.start()
    await sleep(pauseMs)
  }
})
