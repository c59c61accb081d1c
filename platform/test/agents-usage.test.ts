import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'
import { openVendorServer } from './vendors/server.ts'
import { type Said, speech } from './vendors/speech.ts'

const vendor = await openVendorServer()
after(() => vendor.close())
const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_MODEL: 'm-1',
  WARREN_MODEL_API: 'anthropic',
  WARREN_MODEL_URL: vendor.url,
})

const usage = { input: 120, output: 40, cached: 100, reasoning: 0 }
const says = (said: Said) => ({ body: speech.anthropic({ usage, ...said }).events })
const calls = (name: string, args: object) => says({ calls: [{ id: 'call_1', name, arguments: JSON.stringify(args) }] })

const settled = (runId: string): Promise<Answer> => settledRun(platform, runId)

async function start(spec: object): Promise<string> {
  const agent = { name: 'counted', tools: ['calculator'], ...spec }
  return (await platform.json('POST', '/v1/runs', { agent, input: 'Go.' })).runId
}

/** What is recorded of the use of one run: how many facts, and tokens: fresh, cached, answered. */
async function used(runId: string): Promise<number[]> {
  const { groups } = await platform.json('GET', '/v1/usage?group=subject')
  const found = groups.find(({ key }: Answer) => key === runId)
  return [found.facts, found.modelInputTokens, found.modelCachedTokens, found.modelOutputTokens]
}

test('what models cost a run is counted, and a script costs nothing', async () => {
  vendor.answer(calls('calculator', { expression: '1 + 1' }), says({ text: 'Two.' }))
  const runId = await start({})
  assert.equal((await settled(runId)).output, 'Two.')
  assert.deepEqual(await used(runId), [1, 40, 200, 80])
  const { groups, total } = await platform.json('GET', '/v1/usage?group=kind')
  assert.deepEqual([groups[0].key, total.modelOutputTokens], ['agent', 80])
  const scripted = await start({ model: 'scripted', script: [{ text: 'Free.' }] })
  await settled(scripted)
  assert.deepEqual(await used(scripted), [1, 0, 0, 0])
  // A branch pays for what it does itself.
  vendor.answer(says({ text: 'Two again.' }))
  const fork = await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 1 })
  await settled(fork.runId)
  assert.deepEqual(await used(fork.runId), [1, 20, 100, 40])
  await platform.json('POST', `/v1/runs/${runId}/rollback`, { at: 1 })
  await settled(runId)
  assert.deepEqual(await used(runId), [2, 60, 300, 120])
})

test('each turn of a conversation is counted once', async () => {
  vendor.answer(says({ text: 'Yes.' }))
  const { runId } = await platform.json('POST', '/v1/sessions', { agent: { name: 'counted' } })
  await settled(runId)
  for (const text of ['first', 'second']) {
    await platform.json('POST', `/v1/sessions/${runId}/messages`, { text })
    await settled(runId)
  }
  assert.deepEqual((await used(runId)).slice(1), [40, 200, 80])
})

test('a spawned run has its own, and its parent does not count it again', async () => {
  await platform.json('PUT', '/v1/agents/child', { name: 'child' })
  vendor.answer(calls('spawn_agent', { agent: 'child', task: 'Think.' }), says({ text: 'Thought.' }))
  const runId = await start({ tools: ['spawn_agent'] })
  const found = await settled(runId)
  assert.deepEqual([found.output, found.usage.outputTokens], ['Thought.', 120])
  assert.deepEqual(await used(runId), [1, 40, 200, 80])
  const { runs } = await platform.json('GET', '/v1/runs?agent=child')
  assert.deepEqual(await used(runs[0].runId), [1, 20, 100, 40])
})

test('after kill -9 what was answered is counted once', async () => {
  vendor.answer(calls('calculator', { expression: '1 + 1' }), { body: '', hangs: true })
  const seen = vendor.requests.length
  const runId = await start({})
  await until('it asks again', () => vendor.requests.length === seen + 2)
  await platform.kill('SIGKILL')
  vendor.answer(says({ text: 'Two.' }))
  await platform.start()
  assert.equal((await settled(runId)).output, 'Two.')
  assert.deepEqual((await used(runId)).slice(1), [40, 200, 80])
})
