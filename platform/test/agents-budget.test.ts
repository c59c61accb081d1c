import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '0' })

const asks = { calls: [{ name: 'ask_human', arguments: { question: 'May I?' } }] }
const tested = { name: 'tested', model: 'scripted', tools: ['ask_human'], script: [asks, { text: 'I may.' }] }
const of = (maxUsd: number | undefined) => ({ ...tested, ...(maxUsd && { limits: { maxUsd } }) })
const start = (agent: object | string, door = 'runs') =>
  platform.call('POST', `/v1/${door}`, { agent, ...(door === 'runs' && { input: 'Do it.' }) })
const started = async (agent: object): Promise<string> => {
  const answer = await start(agent)
  assert.equal(answer.status, 201)
  return ((await answer.json()) as Answer).runId
}
const set = (agentBudget: number | null) => platform.json('PUT', '/v1/quotas', { quotas: { agentBudget } })
const reserved = async (): Promise<number> =>
  (await platform.json('GET', '/v1/quotas')).quotas.find(({ name }: Answer) => name === 'agentBudget').used
const refused = async (answer: Response) => {
  const body = (await answer.json()) as Answer
  assert.deepEqual(
    [answer.status, body.code, body.details?.quota],
    [429, 'limit_exceeded', 'agentBudget'],
    body.message,
  )
}
const end = async (runId: string) => {
  await platform.call('POST', `/v1/runs/${runId}/cancel`, {})
  return settledRun(platform, runId)
}

test('with a budget of nothing no agent begins, whatever it says of its own', async () => {
  await set(0)
  const { runs: before } = await platform.json('GET', '/v1/runs')
  for (const agent of [of(0.000_001), of(1_000_000), of(undefined), 'calculator-and-fetch'])
    await refused(await start(agent))
  await refused(await start(of(0.1), 'sessions'))
  assert.deepEqual((await platform.json('GET', '/v1/runs')).runs, before)
  assert.equal(await reserved(), 0)
  await set(null)
  assert.equal((await settledRun(platform, await started(of(undefined)))).state, 'waiting')
})

test('a hundred runs at once, where there is room for seven, are seven; what has ended makes room', async () => {
  await set(3_500_000)
  const answers = await Promise.all(Array.from({ length: 100 }, () => start(of(0.5))))
  const made = answers.filter(({ status }) => status === 201)
  assert.equal(made.length, 7)
  for (const answer of answers.filter(({ status }) => status !== 201)) await refused(answer)
  assert.equal(await reserved(), 3_500_000)
  const ids = (await Promise.all(made.map((answer) => answer.json()))).map((run) => (run as Answer).runId)
  for (const id of ids) assert.equal((await settledRun(platform, id)).state, 'waiting')

  assert.equal((await end(ids[0])).state, 'cancelled')
  assert.equal(await reserved(), 3_000_000)
  const next = await started(of(0.5))
  await refused(await start(of(0.5)))

  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal(await reserved(), 3_500_000, 'what goes on after a crash is reserved as before')
  for (const id of [...ids.slice(1), next]) await end(id)
  assert.equal(await reserved(), 0)
})

test('whom a run spawns shares its budget, until the last of them has ended', async () => {
  await set(500_000)
  await platform.json('PUT', '/v1/agents/child', { ...of(400_000), name: 'child' })
  const spawns = { calls: [{ name: 'spawn_agent', arguments: { agent: 'child', task: 'Ask.' } }] }
  const parent = await started({ ...of(0.5), tools: ['spawn_agent'], script: [spawns, { text: 'It may.' }] })
  const child = await until('the child asks', async () => {
    const { runs } = await platform.json('GET', '/v1/runs?agent=child')
    return runs.find(({ state }: Answer) => state === 'waiting')
  })
  assert.equal(await reserved(), 500_000)
  await refused(await start(of(0.1)))
  const approval = child.approvals[0].id
  await platform.json('POST', `/v1/runs/${child.runId}/approvals/${approval}`, { decision: 'approve', text: 'Yes.' })
  assert.equal((await settledRun(platform, parent)).state, 'done')
  assert.equal(await reserved(), 0)

  await set(100_000)
  await refused(await platform.call('POST', `/v1/runs/${parent}/rollback`, { at: 1 }))
  assert.equal((await platform.json('GET', `/v1/runs/${parent}`)).state, 'done')
  await refused(await platform.call('POST', `/v1/runs/${parent}/fork`, { at: 1 }))
  await set(500_000)
  await platform.json('POST', `/v1/runs/${parent}/rollback`, { at: 1 })
  assert.equal((await settledRun(platform, parent)).state, 'done', 'again, with the answer of the child that there was')
  assert.equal(await reserved(), 0)
})
