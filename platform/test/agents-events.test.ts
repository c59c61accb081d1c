import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'
import { receive } from './webhook-receiver.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_WEBHOOK_OPEN: '127.0.0.0/8' })

const add = (a: number) => ({ calls: [{ name: 'calculator', arguments: { expression: `${a} + 1` } }] })
const agent = { name: 'told', model: 'scripted' }

/** A run that has ended or waits. */
async function run(spec: object): Promise<Answer> {
  const { runId } = await platform.json('POST', '/v1/runs', { agent: { ...agent, ...spec }, input: 'Mind the zebra.' })
  return settledRun(platform, runId)
}

/** The so many events about one run, oldest first. They can be read when no older transaction is open any more. */
function toldOf(runId: string, count: number): Promise<Answer[]> {
  return until(`${count} events of ${runId}`, async () => {
    const { events } = await platform.json('GET', `/v1/events?subject=${runId}&limit=100`)
    return events.length >= count ? events : undefined
  })
}

const typesOf = async (runId: string, count: number) => (await toldOf(runId, count)).map(({ type }) => type)

test('a run tells that it has begun and how it has ended, with what it has cost, and not what was said', async () => {
  const done = await run({ tools: ['calculator'], script: [add(6), { text: 'The zebra says {{result 1}}.' }] })
  const [started, completed, ...more] = await toldOf(done.runId, 2)
  assert.deepEqual(more, [])
  assert.deepEqual([started.type, started.data], ['run.started', { agent: 'told', conversation: false }])
  const { inputTokens, outputTokens, cachedInputTokens, usd } = done.usage
  const usage = { inputTokens, outputTokens, cachedInputTokens, usd }
  assert.equal(completed.type, 'run.completed')
  assert.deepEqual(completed.data, { agent: 'told', reason: 'completed', steps: 2, usage })
  assert.ok(usage.inputTokens > 0)
  assert.ok(!JSON.stringify([started, completed]).includes('zebra'))

  const stopped = await run({ tools: ['calculator'], script: [add(1), add(2)], limits: { maxSteps: 1 } })
  const failed = await run({ script: [{ failure: { code: 'server_error', message: 'the zebra broke it' } }] })
  for (const [{ runId }, type, reason] of [
    [stopped, 'run.stopped', 'max_steps'],
    [failed, 'run.failed', 'model_failed'],
  ] as const) {
    const [, end] = await toldOf(runId, 2)
    assert.deepEqual([end.type, end.data.reason], [type, reason])
    assert.ok(!JSON.stringify(end).includes('zebra'))
  }
})

test('what asks a human tells what it waits for, and that it goes on or is cancelled', async () => {
  const rules = [{ tool: 'calculator', action: 'ask' }]
  const spec = { tools: ['calculator'], rules, script: [add(1), { text: 'Two.' }] }
  const waiting = await run(spec)
  const [{ id }] = waiting.approvals
  const [, suspended] = await toldOf(waiting.runId, 2)
  assert.equal(suspended.type, 'run.suspended')
  const approvals = [{ id, kind: 'tool', tool: 'calculator' }]
  assert.deepEqual(suspended.data, { agent: 'told', waitsFor: 'approval', approvals })
  const answer = () =>
    platform.call('POST', `/v1/runs/${waiting.runId}/approvals/${id}`, { decision: 'approve' }).then(({ ok }) => ok)
  assert.deepEqual((await Promise.all([answer(), answer()])).toSorted(), [false, true])
  await settledRun(platform, waiting.runId)
  const told = await toldOf(waiting.runId, 4)
  assert.deepEqual(
    told.map(({ type }) => type),
    ['run.started', 'run.suspended', 'run.continued', 'run.completed'],
    'the answer that was refused told nothing',
  )
  assert.deepEqual(told[2].data, { agent: 'told', by: 'answer' })

  const { runId } = await run(spec)
  await platform.json('POST', `/v1/runs/${runId}/cancel`)
  assert.deepEqual(await typesOf(runId, 3), ['run.started', 'run.suspended', 'run.cancelled'])
})

test('a conversation tells of each turn; a fork of what it goes on from; a rollback that it goes on; a spawned run of its parent', async () => {
  const script = ['One.', 'Two.'].map((text) => ({ text }))
  const { runId } = await platform.json('POST', '/v1/sessions', { agent: { ...agent, script } })
  await settledRun(platform, runId)
  await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: 'Hello zebra.' })
  const turn = await toldOf(runId, 4)
  assert.deepEqual(
    turn.map(({ type, data }) => [type, data.conversation ?? data.waitsFor ?? data.by]),
    [
      ['run.started', true],
      ['run.suspended', 'message'],
      ['run.continued', 'message'],
      ['run.suspended', 'message'],
    ],
  )

  const done = await run({ tools: ['calculator'], script: [add(1), { text: 'Two.' }] })
  const fork = await platform.json('POST', `/v1/runs/${done.runId}/fork`, { at: 1 })
  const [begun, ended] = await toldOf(fork.runId, 2)
  assert.deepEqual([begun.data.from, ended.type], [{ run: done.runId }, 'run.completed'])
  await platform.json('POST', `/v1/runs/${done.runId}/rollback`, { at: 1 })
  const rolledBack = await toldOf(done.runId, 4)
  assert.deepEqual(
    rolledBack.map(({ type, data }) => data.by ?? type),
    ['run.started', 'run.completed', 'rollback', 'run.completed'],
  )

  await platform.json('PUT', '/v1/agents/child', { name: 'child', model: 'scripted', script: [{ text: 'Done.' }] })
  const spawn = { calls: [{ name: 'spawn_agent', arguments: { agent: 'child', task: 'Go.' } }] }
  const parent = await run({ tools: ['spawn_agent'], script: [spawn, { text: 'All done.' }] })
  const [child] = (await platform.json('GET', '/v1/runs?agent=child')).runs
  const ofChild = await toldOf(child.runId, 2)
  assert.deepEqual(
    ofChild.map(({ type, data }) => [type, data.agent, data.parent]),
    [
      ['run.started', 'child', parent.runId],
      ['run.completed', 'child', parent.runId],
    ],
  )
})

test('who may see runs hears of them, at a webhook too, and nobody else', async () => {
  const hook = await receive()
  await platform.json('POST', '/v1/webhooks', { url: hook.url, events: ['run.*'] })
  const { runId } = await run({ script: [{ text: 'Yes.' }] })
  const arrived = () => hook.got.filter(({ body }) => body.subject === runId).map(({ body }) => body.type)
  await until('both arrived', () => arrived().length === 2)
  assert.deepEqual(arrived(), ['run.started', 'run.completed'])

  const heard = async (body: object) => {
    const { key } = await platform.json('POST', '/v1/keys', { name: 'one', ...body })
    const answer = await platform.fetch(`/v1/events?subject=${runId}`, { headers: { 'x-api-key': key } })
    return (await answer.json()).events.length
  }
  assert.equal(await heard({ role: 'viewer' }), 2)
  assert.equal(await heard({ role: 'developer', scopes: ['agents:read'] }), 2)
  assert.equal(await heard({ role: 'developer', scopes: ['sandboxes:read'] }), 0)
  assert.equal(await heard({ role: 'billing' }), 0)
  const refused = await platform.json('POST', '/v1/keys', {
    name: 'narrow',
    role: 'developer',
    scopes: ['webhooks:manage'],
  })
  const { status } = await platform.fetch('/v1/webhooks', {
    method: 'POST',
    headers: { 'x-api-key': refused.key, 'content-type': 'application/json' },
    body: JSON.stringify({ url: hook.url, events: ['run.failed'] }),
  })
  assert.equal(status, 403)
})

test('an agent tells that it is made, changed and deleted, each once, in the transaction of it, and not what it is told to do', async () => {
  const name = 'kept'
  const put = (instructions: string) =>
    platform.json('PUT', `/v1/agents/${name}`, { ...agent, name, instructions, script: [{ text: 'Yes.' }] })
  const [first] = await Promise.all([put('Mind the zebra.'), put('Mind the zebra.'), put('Mind the zebra.')])
  assert.deepEqual(await put('Mind the zebra.'), first, 'the same again changes nothing')
  await put('Mind the gnu.')
  assert.equal(
    (await platform.call('PUT', `/v1/agents/${name}`, { ...agent, name, tools: ['none'], script: [] })).status,
    400,
  )
  assert.equal((await platform.call('DELETE', `/v1/agents/${name}`)).status, 204)
  assert.equal((await platform.call('DELETE', `/v1/agents/${name}`)).status, 404)
  const told = await toldOf(name, 3)
  assert.deepEqual(
    told.map(({ type, data }) => [type, data]),
    [
      ['agent.created', { name }],
      ['agent.updated', { name }],
      ['agent.deleted', { name }],
    ],
  )
  const { key } = await platform.json('POST', '/v1/keys', { name: 'looks on', scopes: ['sandboxes:read'] })
  const heard = await platform.fetch(`/v1/events?subject=${name}`, { headers: { 'x-api-key': key } })
  assert.deepEqual((await heard.json()).events, [], 'who may not see agents hears nothing of them')
})
