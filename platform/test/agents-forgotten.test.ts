import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import pg from 'pg'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

/** What has ended is forgotten after some seconds. What waits for a human has not ended. */
const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_HISTORY_HOURS: '0.001' })
const database = new pg.Pool({ host: `${platform.home}/postgres/data`, user: 'warren', database: 'postgres', max: 1 })
database.on('error', () => {})
after(() => database.end())

const call = (name: string, args: object) => ({ calls: [{ name, arguments: args }] })
const write = (n: number) => call('write_file', { path: 'count.txt', content: `${n}` })
const waits = call('ask_human', { question: 'Well?' })

async function waitingRun(name: string, writes: number): Promise<string> {
  const script = [...Array.from({ length: writes }, (_, n) => write(n + 1)), waits, { text: 'Done.' }]
  const agent = { name, model: 'scripted', tools: ['write_file', 'ask_human'], script }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Count.' })
  assert.equal((await settledRun(platform, runId, 120_000)).state, 'waiting')
  return runId
}

async function entries(runId: string, type: string): Promise<Answer[]> {
  const trace = await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)
  return trace.entries.filter((entry: Answer) => entry.type === type)
}

const snapshots = async (): Promise<string[]> =>
  (await platform.json('GET', '/v1/snapshots?limit=1000')).snapshots.map(({ id }: Answer) => id)
const taken = async (runId: string) => (await entries(runId, 'snapshot.taken')).map(({ data }) => data.id as string)
const isForgotten = async (runId: string) => (await platform.call('GET', `/v1/runs/${runId}`)).status === 404
const rows = async () => (await database.query('select snapshot_id from agent_snapshots')).rows

test('a run keeps ten snapshots; a fork keeps what it needs of them when the run is forgotten, and no file outlives the last', async (t) => {
  const runId = await waitingRun('counts', 12)
  const all = await taken(runId)
  if (all.length === 0) return t.skip(`no snapshots here: ${JSON.stringify(await entries(runId, 'snapshot.failed'))}`)
  await until('ten are kept', async () => (await snapshots()).length === 10)
  assert.deepEqual((await snapshots()).toSorted(), all.slice(2).toSorted())

  const [without, fork] = [
    await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 1 }),
    await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 12 }),
  ]
  const [lost] = await entries(without.runId, 'run.forked')
  assert.equal(lost.data.disk, 'lost: its snapshot is not kept any more')
  const [found] = await entries(fork.runId, 'run.forked')
  assert.equal(found.data.disk, `snapshot ${all[11]}`)
  for (const id of [without.runId, fork.runId]) await settledRun(platform, id, 120_000)
  await platform.json('POST', `/v1/runs/${without.runId}/cancel`)
  await platform.json('POST', `/v1/runs/${runId}/cancel`)
  await until('the run is forgotten', () => isForgotten(runId), 60_000)
  await until('and the other fork with what it saved', () => isForgotten(without.runId), 60_000)
  await until('what the fork needs is left', async () => (await snapshots()).length === 10, 60_000)
  assert.deepEqual((await snapshots()).toSorted(), all.slice(2).toSorted())

  await platform.json('POST', `/v1/runs/${fork.runId}/cancel`)
  await until('the fork is forgotten', () => isForgotten(fork.runId), 60_000)
  await until('nothing is left of them', async () => (await rows()).length === 0, 60_000)
  assert.deepEqual(await snapshots(), [])
  assert.deepEqual(readdirSync(join(platform.home, 'snapshots')), [])
})

test('what was rolled back has no snapshots any more', async (t) => {
  const runId = await waitingRun('goes-back', 2)
  const [first, second] = await taken(runId)
  if (!first) return t.skip('no snapshots here')
  await platform.json('POST', `/v1/runs/${runId}/rollback`, { at: 1 })
  assert.equal((await settledRun(platform, runId, 120_000)).state, 'waiting')
  const third = (await taken(runId)).at(-1)!
  assert.ok(third !== second)
  await until('it is gone', async () => !(await snapshots()).includes(second!))
  assert.deepEqual((await snapshots()).toSorted(), [first, third].toSorted())
  await platform.json('POST', `/v1/runs/${runId}/cancel`)
})

test('a snapshot that a person has deleted is no obstacle', async (t) => {
  const runId = await waitingRun('deleted', 1)
  const [only] = await taken(runId)
  if (!only) return t.skip('no snapshots here')
  await platform.json('DELETE', `/v1/snapshots/${only}`)
  const fork = await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 1 })
  const [forked] = await entries(fork.runId, 'run.forked')
  // The sandbox is still there as it was.
  assert.match(forked.data.disk, /^snapshot /)
  for (const id of [runId, fork.runId]) {
    await settledRun(platform, id, 120_000)
    await platform.json('POST', `/v1/runs/${id}/cancel`)
  }
  await until('nothing is left of them', async () => (await rows()).length === 0, 60_000)
  assert.deepEqual(await snapshots(), [])
})

test('with an agent go its facts and documents; facts that held until long ago go by themselves, and so do documents of nobody', async () => {
  const script = [call('remember', { fact: 'Hares sleep by day.', days: 3 }), waits, { text: 'Done.' }]
  const agent = { name: 'knows', model: 'scripted', tools: ['remember', 'ask_human'], script }
  const path = '/v1/agents/knows'
  await platform.json('PUT', path, agent)
  const document = (name: string) => platform.json('POST', `${path}/documents`, { name, text: 'Hares eat grass.' })
  const put = await document('hares.md')
  const { runId } = await platform.json('POST', '/v1/runs', { agent: 'knows', input: 'Learn.' })
  await settledRun(platform, runId)
  const facts = async () => (await platform.json('GET', `${path}/facts`)).facts
  assert.equal((await facts()).length, 1)

  const copy = (table: string, columns: string, select: string) =>
    database.query(`insert into ${table} (${columns}) select ${select} from ${table}`)
  await copy(
    'agent_facts',
    'account_id, agent, hash, text, run_id, at, expires_at',
    "account_id, agent, 'ff', 'It expired.', run_id, at, now() - interval '1 hour'",
  )
  const mine = 'name, kind, text, bytes, hash'
  await copy(
    'agent_documents',
    `id, account_id, agent, at, ${mine}`,
    `'orphan', account_id, 'nobody', at - interval '1 hour', ${mine}`,
  )
  const left = async (table: string) => (await database.query(`select * from ${table}`)).rows
  await until('what holds no more is gone', async () => (await left('agent_facts')).length === 1, 60_000)
  await until('what is nobody’s is gone', async () => (await left('agent_documents')).length === 1, 60_000)
  assert.equal((await facts())[0].text, 'Hares sleep by day.')
  assert.equal((await left('agent_documents'))[0].id, put.id)

  await platform.json('DELETE', path)
  assert.deepEqual([...(await left('agent_facts')), ...(await left('agent_documents'))], [])
  assert.equal((await platform.call('GET', `${path}/facts`)).status, 404)
  assert.equal((await platform.call('DELETE', path)).status, 404)
  await platform.json('PUT', path, agent)
  assert.deepEqual(await facts(), [])
  assert.deepEqual((await platform.json('GET', `${path}/documents`)).documents, [])
  await platform.json('POST', `/v1/runs/${runId}/cancel`)
})
