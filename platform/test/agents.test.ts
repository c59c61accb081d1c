import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_MODEL_KEYS: 'a-key-nobody-sees' })

/** Starts a run of an agent that is given with it. */
async function start(spec: object, input = 'Do it.'): Promise<string> {
  const agent = { name: 'tested', model: 'scripted', ...spec }
  return (await platform.json('POST', '/v1/runs', { agent, input })).runId
}

const settled = (runId: string): Promise<Answer> => settledRun(platform, runId)

async function run(spec: object, input?: string): Promise<Answer> {
  return settled(await start(spec, input))
}

async function trace(runId: string): Promise<Answer[]> {
  return (await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)).entries
}

async function results(runId: string): Promise<Answer[]> {
  return (await trace(runId)).filter(({ type }) => type === 'tool.ended').map(({ data }) => data)
}

const call = (name: string, args: object) => ({ calls: [{ name, arguments: args }] })
const add = (a: number) => call('calculator', { expression: `${a} + 1` })

describe('runs of agents', () => {
  test('the example computes, fetches a page and tells, without a key', async (t) => {
    const { runId } = await platform.json('POST', '/v1/runs', { agent: 'calculator-and-fetch' })
    const found = await settled(runId)
    assert.equal(found.state, 'done', JSON.stringify(found))
    assert.match(found.output, /= 32\.5/)
    const [computed, fetched] = await results(runId)
    assert.deepEqual([computed.tool, computed.text, fetched.tool], ['calculator', '32.5', 'http_get'])
    if (fetched.error === 'no_network') t.diagnostic(fetched.text)
    else assert.match(fetched.text, /^HTTP 200 text\/html[\s\S]*served by the gateway/)
    const answers = (await trace(runId)).filter(({ type }) => type === 'model.answered')
    assert.ok(answers.every(({ data }) => data.ms >= 0 && data.usage.inputTokens > 0))
  })

  test('what a model calls wrongly it is told, and after five times in a row it is over', async () => {
    const wrong = [call('calculator', { expr: '1' }), call('nothing', {}), call('calculator', { expression: 5 })]
    const found = await run({ tools: ['calculator'], script: [...wrong, ...wrong, add(1)] })
    assert.deepEqual([found.state, found.reason, found.steps], ['stopped', 'invalid_calls', 5])
    const [missing, unknown] = await results(found.runId)
    assert.match(missing.text, /must have required property 'expression'.*schema/s)
    assert.match(unknown.text, /There is no tool "nothing". There are: calculator, read_result/)
  })

  test('limits end it before the next call of the model: steps, tokens, the same again and again', async () => {
    const script = [1, 2, 3, 4, 5, 6].map(add)
    const steps = await run({ tools: ['calculator'], script, limits: { maxSteps: 3 } })
    assert.deepEqual([steps.reason, steps.steps], ['max_steps', 3])
    const tokens = await run({ tools: ['calculator'], script, limits: { maxTokens: 100 } })
    assert.equal(tokens.reason, 'token_budget')
    assert.ok(tokens.usage.inputTokens + tokens.usage.outputTokens <= 100)
    const same = await run({ tools: ['calculator'], script: [1, 1, 1, 1, 1].map(add) })
    assert.deepEqual([same.reason, same.steps], ['no_progress', 4])
    const money = { limits: { maxUsd: 0.0001 }, prices: { input: 1, output: 1 } }
    assert.equal((await run({ tools: ['calculator'], script, ...money })).reason, 'money_budget')
  })

  test('money ends it before a question that what is left does not pay, and a spawned run has its own limits beside those it shares', async () => {
    const dear = { prices: { input: 1_000_000, output: 0 }, limits: { maxUsd: 1 } }
    const broke = await run({ script: [{ text: 'Never.' }], ...dear }, 'x'.repeat(400))
    assert.deepEqual([broke.reason, broke.steps, broke.usage.usd], ['money_budget', 0, 0])

    const script = [add(1), add(2), { text: 'Never.' }]
    const child = { name: 'small', model: 'scripted', tools: ['calculator'], script, limits: { maxTokens: 60 } }
    await platform.json('PUT', '/v1/agents/small', child)
    const spawn = call('spawn_agent', { agent: 'small', task: 'Go.' })
    const parent = await run({ tools: ['spawn_agent'], script: [spawn, { text: 'Over.' }] })
    assert.match((await results(parent.runId))[0].text, /ended without success: token_budget/)
  })

  test('a failure of the model is the reason of the end', async () => {
    const failure = { code: 'server_error', message: 'it broke' }
    const found = await run({ script: [{ failure }] })
    assert.deepEqual([found.state, found.reason], ['failed', 'model_failed'])
    assert.match(found.message, /server_error: it broke/)
  })

  test('an answer that does not match is asked for again', async () => {
    const completion = { matches: '^\\d+$', attempts: 2 }
    const found = await run({ script: [{ text: 'six' }, { text: '6' }], completion })
    assert.deepEqual([found.reason, found.output, found.steps], ['completed', '6', 2])
    const never = await run({ script: [1, 2, 3].map(() => ({ text: 'six' })), completion })
    assert.equal(never.reason, 'not_accepted')
  })

  test('an answer is judged by a model, which says why it is none, as often as its agent says', async () => {
    const verdict = (accepted: boolean, reason: string) => call('give_verdict', { accepted, reason })
    const completion = { judge: 'It names a colour.', attempts: 1 }
    const script = [
      { text: 'Something nice.' },
      { text: 'I think not.', expect: { lastText: 'The criteria:\nIt names a colour.\n\nThe task:\nDo it.' } },
      { ...verdict(false, 'no colour is named'), expect: { lastText: 'Call give_verdict.', tools: ['give_verdict'] } },
      { text: 'Green.', expect: { lastText: 'Your answer is not accepted: no colour is named.' } },
      { ...verdict(true, 'green is one'), expect: { lastText: 'The answer:\nGreen.' } },
    ]
    const found = await run({ script, completion })
    assert.deepEqual([found.state, found.output, found.steps], ['done', 'Green.', 5], JSON.stringify(found))
    assert.equal((await platform.json('POST', `/v1/runs/${found.runId}/replay`, {})).diverged, false)
    const no = verdict(false, 'none')
    const never = await run({ script: [{ text: 'a' }, no, { text: 'b' }, no], completion })
    assert.deepEqual([never.state, never.reason, never.output], ['stopped', 'not_accepted', 'b'])
    const silent = Array.from({ length: 5 }, () => ({ text: 'Hm.' }))
    const without = await run({ script: [{ text: 'a' }, ...silent], completion })
    assert.match(without.message, /gives no verdict/)
    const both = { matches: '^G', judge: 'It names a colour.' }
    assert.equal(
      (await run({ script: [{ text: 'Red.' }, { text: 'Green.' }, verdict(true, 'ok')], completion: both })).steps,
      3,
    )
    const agent = { name: 'x', model: 'scripted', script: [], completion: {} }
    assert.equal((await platform.call('POST', '/v1/runs', { agent, input: 'x' })).status, 400)
  })

  test('an answer of which it cannot be told in time whether it matches is not accepted', async () => {
    const completion = { matches: '^(a+)+$' }
    const found = await run({ completion, script: [{ text: `${'a'.repeat(60)}!` }, { text: 'a' }] })
    assert.deepEqual([found.state, found.reason, found.steps], ['stopped', 'not_accepted', 1])
    assert.match(found.message, /could not be told in \d+ ms/)
    assert.equal((await run({ completion, script: [{ text: 'aaa' }] })).state, 'done')
  })

  test('secrets are in no entry, and long results are read by their handle', async () => {
    const code = 'print("API_TOKEN=abcdefgh" + "12345\\n" + "-" * 20000 + "a-key-nobody-sees")'
    const script = [call('run_code', { language: 'python', code }), { text: 'Done.' }]
    const found = await run({ tools: ['run_code'], checkpoints: false, script })
    assert.equal(found.state, 'done')
    const [result] = await results(found.runId)
    assert.match(result.text, /API_TOKEN=\[redacted\][\s\S]*characters in all[\s\S]*\[redacted\]/)
    assert.ok(result.storedChars > 20_000)
    const journal = JSON.stringify(await trace(found.runId))
    assert.ok(!journal.includes('abcdefgh12345') && !journal.includes('a-key-nobody-sees'))
  })
})

describe('humans in a run', () => {
  const rules = [{ tool: 'calculator', arguments: { expression: '^1' }, action: 'ask', reason: 'ones are delicate' }]
  const spec = { tools: ['calculator', 'ask_human'], rules, script: [add(1), { text: 'It is {{result 1}}.' }] }

  test('a call that a rule asks about waits; of two answers at once one wins; later ones are a conflict', async () => {
    const waiting = await run(spec)
    assert.deepEqual([waiting.state, waiting.reason], ['waiting', 'approval'])
    const [{ id, tool, text }] = waiting.approvals
    assert.deepEqual([tool, text], ['calculator', 'May calculator be called: ones are delicate'])
    const path = `/v1/runs/${waiting.runId}/approvals/${id}`
    const both = await Promise.all([1, 2].map(() => platform.call('POST', path, { decision: 'approve' })))
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409])
    const found = await settled(waiting.runId)
    assert.deepEqual([found.state, found.output], ['done', 'It is 2.'])
    assert.equal((await platform.call('POST', path, { decision: 'approve' })).status, 409)
  })

  test('of several calls that are asked about at once each is asked about once, in whatever order they are answered', async () => {
    const two = { calls: [1, 12].map((n) => ({ name: 'calculator', arguments: { expression: `${n} + 1` } })) }
    const waiting = await run({ ...spec, script: [two, { text: '{{result 1}} {{result 2}}' }] })
    assert.equal(waiting.approvals.length, 2)
    const path = (approval: Answer) => `/v1/runs/${waiting.runId}/approvals/${approval.id}`
    await platform.json('POST', path(waiting.approvals[1]), { decision: 'approve' })
    const asks = await settled(waiting.runId)
    assert.deepEqual(asks.approvals, [waiting.approvals[0]])
    await platform.json('POST', path(waiting.approvals[0]), { decision: 'approve' })
    assert.equal((await settled(waiting.runId)).output, '2 13')
  })

  test('an answer that is none to what was asked is refused, and so is one for another run', async () => {
    const rules = [{ tool: 'calculator', action: 'ask' }]
    const spec = { tools: ['calculator'], rules, script: [add(1), { text: '{{result 1}}' }] }
    const [first, second] = await Promise.all([run(spec), run(spec)])
    const [{ id }] = first.approvals
    const answer = async (runId: string, approval: string, body: object) =>
      (await platform.call('POST', `/v1/runs/${runId}/approvals/${approval}`, body)).status
    for (const decision of ['done', 'retry', 'yes']) assert.equal(await answer(first.runId, id, { decision }), 400)
    assert.equal(await answer(first.runId, id, { decision: 'approve', arguments: { expression: '9' } }), 400)
    assert.equal(await answer(second.runId, id, { decision: 'approve' }), 404)
    assert.equal(await answer(first.runId, id, { decision: 'approve' }), 200)
    assert.equal((await settled(first.runId)).output, '2')
    assert.equal((await platform.json('GET', `/v1/runs/${second.runId}`)).state, 'waiting')
  })

  test('a refusal is told to the model, and so is what is denied', async () => {
    const waiting = await run(spec)
    const path = `/v1/runs/${waiting.runId}/approvals/${waiting.approvals[0].id}`
    await platform.json('POST', path, { decision: 'deny', text: 'not today' })
    assert.match((await settled(waiting.runId)).output, /A human has refused this call: not today/)
    const denied = await run({ ...spec, rules: [{ tool: 'calc*', action: 'deny' }] })
    assert.match(denied.output, /Not allowed/)
  })

  test('a question is answered', async () => {
    const script = [call('ask_human', { question: 'Which colour?' }), { text: 'So {{result 1}}.' }]
    const waiting = await run({ ...spec, script })
    assert.equal(waiting.approvals[0].text, 'Which colour?')
    const path = `/v1/runs/${waiting.runId}/approvals/${waiting.approvals[0].id}`
    await platform.json('POST', path, { decision: 'approve', text: 'green' })
    assert.equal((await settled(waiting.runId)).output, 'So green.')
  })

  test('a run that is cancelled while it waits has ended, and answers come too late', async () => {
    const waiting = await run(spec)
    await platform.json('POST', `/v1/runs/${waiting.runId}/cancel`)
    assert.equal((await settled(waiting.runId)).state, 'cancelled')
    const path = `/v1/runs/${waiting.runId}/approvals/${waiting.approvals[0].id}`
    assert.equal((await platform.call('POST', path, { decision: 'approve' })).status, 409)
    assert.equal((await platform.call('POST', `/v1/runs/${waiting.runId}/cancel`)).status, 409)
  })
})

describe('sessions', () => {
  test('a conversation waits for each message and knows what was said', async () => {
    const script = [{ text: 'Hello.' }, { text: 'Again.', expect: { anyText: 'Hello.' } }]
    const agent = { name: 'talker', model: 'scripted', script }
    const { runId } = await platform.json('POST', '/v1/sessions', { agent })
    await settled(runId)
    await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: 'Hi' })
    assert.equal((await settled(runId)).output, 'Hello.')
    await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: 'Hi again' })
    const found = await settled(runId)
    assert.deepEqual([found.state, found.reason, found.output], ['waiting', 'message', 'Again.'])
  })

  test('a spawned run says that it is carried on, and ends at the deadline of its call', async () => {
    const child = { name: 'slow', model: 'scripted', script: [{ text: 'Late.', waitMs: 60_000 }] }
    await platform.json('PUT', '/v1/agents/slow', child)
    const spawn = call('spawn_agent', { agent: 'slow', task: 'Go.', deadlineSeconds: 3 })
    const runId = await start({ tools: ['spawn_agent'], script: [spawn, { text: 'Over.' }] })
    const slow = await until('it is carried on', async () => {
      const { runs } = await platform.json('GET', '/v1/runs?agent=slow')
      return runs.find((one: Answer) => one.heartbeatAt)
    })
    assert.deepEqual([slow.parent, slow.state], [runId, 'running'])
    assert.ok(Math.abs(Date.now() - Date.parse(slow.heartbeatAt)) < 30_000, slow.heartbeatAt)
    assert.equal((await settled(runId)).state, 'done')
    const ended = await platform.json('GET', `/v1/runs/${slow.runId}`)
    assert.deepEqual([ended.state, ended.reason, ended.heartbeatAt], ['stopped', 'deadline', undefined])
    assert.match((await results(runId))[0].text, /ended without success: deadline/)
  })

  test('an interruption gives up what is being done, and the run goes on with it', async () => {
    const script = [{ text: 'Late.', waitMs: 60_000 }, { text: 'Never.' }]
    const agent = { name: 'talker', model: 'scripted', script: [{ ...script[0], expect: { anyText: 'first' } }] }
    const { runId } = await platform.json('POST', '/v1/sessions', { agent })
    await settled(runId)
    await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: 'first' })
    const asked = async () => (await trace(runId)).filter(({ type }) => type === 'model.asked').length
    await until('the model is asked', async () => (await asked()) === 1)
    await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: 'stop', mode: 'interrupt' })
    await until('it is asked again', async () => (await asked()) === 2)
    await platform.json('POST', `/v1/runs/${runId}/cancel`)
    assert.equal((await settled(runId)).state, 'cancelled')
  })
})

describe('replay, fork and rollback', () => {
  const spec = { name: 'tested', model: 'scripted', tools: ['calculator', 'remember'], instructions: 'Compute.' }
  const script = [add(1), call('remember', { fact: 'one and one is two' }), add(2), { text: 'It is {{result 3}}.' }]

  test('a run done again is the same, until a prompt or a result is another', async () => {
    const { runId } = await run({ ...spec, script })
    const replay = (body: object = {}) => platform.json('POST', `/v1/runs/${runId}/replay`, body)
    assert.deepEqual(await replay(), { diverged: false, steps: 4 })
    const prompt = await replay({ instructions: 'Compute well.' })
    assert.deepEqual([prompt.diverged, prompt.at, prompt.what], [true, 1, 'prompt'])
    const result = await replay({ results: [{ step: 2, text: 'It is forgotten.' }] })
    assert.deepEqual([result.diverged, result.at, result.what], [true, 2, 'result'])
    const tools = await replay({ agent: { ...spec, script, tools: ['calculator'] } })
    assert.equal(tools.at, 1)
  })

  test('a fork goes on from a step, and a rollback does so in the run itself', async () => {
    const { runId } = await run({ ...spec, script })
    const fork = await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 2 })
    const forked = await settled(fork.runId)
    assert.deepEqual([forked.state, forked.output, forked.steps], ['done', 'It is 3.', 4])
    assert.equal((await platform.call('POST', `/v1/runs/${runId}/fork`, { at: 5 })).status, 400)
    await platform.json('POST', `/v1/runs/${runId}/rollback`, { at: 1 })
    const again = await settled(runId)
    assert.deepEqual([again.state, again.output], ['done', 'It is 3.'])
    assert.deepEqual(await platform.json('POST', `/v1/runs/${runId}/replay`, {}), { diverged: false, steps: 4 })
  })
})

test('a plan is made, done step by step, asked about where it says so, and tried again where a step fails', async () => {
  const steps = [
    { id: 'a', task: 'Compute 1 + 1.' },
    { id: 'b', task: 'Say it.', after: ['a'], approval: true },
  ]
  const script = [
    call('make_plan', { steps }),
    { text: 'FAILED: no idea' },
    add(1),
    { text: 'Two.' },
    { text: 'I say: two.' },
    { text: 'Done: two.' },
  ]
  const waiting = await run({ policy: 'plan', tools: ['calculator'], script })
  assert.deepEqual([waiting.state, waiting.approvals[0].kind], ['waiting', 'plan_step'])
  await platform.json('POST', `/v1/runs/${waiting.runId}/approvals/${waiting.approvals[0].id}`, { decision: 'approve' })
  const found = await settled(waiting.runId)
  assert.deepEqual([found.state, found.output], ['done', 'Done: two.'])
  const ended = (await trace(found.runId)).filter(({ type }) => type === 'plan.step_ended')
  assert.deepEqual(
    ended.map(({ data }) => [data.id, data.status]),
    [
      ['a', 'failed'],
      ['a', 'done'],
      ['b', 'done'],
    ],
  )
  assert.ok(ended.every(({ data }) => data.usage.inputTokens > 0))
})

test('a plan that is made anew goes on from what is done, and what was approved is the very step that was asked about', async () => {
  const deploy = (where: string) => ({ id: 'deploy', task: `Deploy to ${where}.`, after: ['look'], approval: true })
  const script = [
    call('make_plan', { steps: [{ id: 'look', task: 'Look.' }, deploy('staging')] }),
    { text: 'Seen.' },
    { text: 'FAILED: no room' },
    { text: 'FAILED: no room' },
    call('make_plan', { steps: [{ id: 'look', task: 'Look elsewhere.' }] }),
    call('make_plan', { steps: [deploy('production')] }),
    { text: 'Deployed.', expect: { anyText: 'look: Look.\nSeen.' } },
    { text: 'Done.' },
  ]
  const answer = async ({ runId, approvals }: Answer) => {
    await platform.json('POST', `/v1/runs/${runId}/approvals/${approvals[0].id}`, { decision: 'approve' })
    return await settled(runId)
  }
  const first = await run({ policy: 'plan', tools: ['calculator'], script })
  assert.equal(first.approvals?.[0].text, 'Deploy to staging.', JSON.stringify(first))
  const second = await answer(first)
  assert.equal(second.approvals?.[0].text, 'Deploy to production.', JSON.stringify(second))
  const found = await answer(second)
  assert.deepEqual([found.state, found.output], ['done', 'Done.'], JSON.stringify(found))
  const refused = (await results(found.runId)).find(({ error }) => error === 'invalid_arguments')
  assert.match(refused?.text, /"look" is done and stays so/)
})

test('what is said to a plan while a step is done, even as an interruption, is read before the answer', async () => {
  const script = [
    call('make_plan', { steps: [{ id: 'a', task: 'Think.' }] }),
    { text: 'Thought.', waitMs: 1500 },
    { text: 'Done.', expect: { anyText: 'in French' } },
  ]
  const runId = await start({ policy: 'plan', script })
  const asked = async () => (await trace(runId)).filter(({ type }) => type === 'model.asked').length
  await until('the step is done', async () => (await asked()) === 2)
  await platform.json('POST', `/v1/runs/${runId}/messages`, { text: 'Answer in French.', mode: 'interrupt' })
  const found = await settled(runId)
  assert.deepEqual([found.state, found.output, await asked()], ['done', 'Done.', 3], JSON.stringify(found))
})

test('after kill -9 at any moment a run goes on, and what must not happen twice is asked about', async () => {
  const script = [...[1, 2, 3].map((n) => ({ ...add(n), waitMs: 100 })), { text: 'Done.' }]
  const ids = [
    await start({ tools: ['calculator'], script }),
    await start({ tools: ['calculator'], script, durability: 'effects' }),
  ]
  const shell = await start({
    tools: ['shell'],
    checkpoints: false,
    script: [call('shell', { command: 'sleep 60' }), { text: '{{result 1}}' }],
  })
  const begun = async () => (await trace(shell)).some(({ type }) => type === 'sandbox.made')
  await until('the shell runs', begun, 60_000)
  await platform.kill('SIGKILL')
  await platform.start()
  for (const id of ids) {
    const found = await settled(id)
    assert.deepEqual([found.state, found.output], ['done', 'Done.'])
    const seen = await trace(id)
    assert.deepEqual(
      seen.map(({ seq }) => seq),
      seen.map((_, index) => index + 1),
    )
    assert.equal((await results(id)).length, 3)
  }
  const asks = await settled(shell)
  assert.deepEqual([asks.state, asks.approvals[0].kind], ['waiting', 'unknown_outcome'])
  await platform.json('POST', `/v1/runs/${shell}/approvals/${asks.approvals[0].id}`, {
    decision: 'done',
    text: 'It slept.',
  })
  assert.equal((await settled(shell)).output, 'It slept.')
})
