import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ChatRequest, startChatServer } from './chat-server.ts'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

const mostCalls = 14
const isSummary = ({ messages }: ChatRequest) => messages[0]?.content?.startsWith('You keep the memory') ?? false

/** How it answers when it is asked for a summary; tests change it. */
let summarise: (nth: number) => { text?: string; status?: number; finish?: string } | Promise<Answer> = () => ({})
let summaries = 0
let calls = 0
/** Of a conversation, what the model takes. */
let mostChars = Number.POSITIVE_INFINITY
/** It calls a tool with a long argument again and again, then answers. */
const chat = await startChatServer((request) => {
  if (JSON.stringify(request.messages).length > mostChars)
    return { status: 400, message: "This model's maximum context length is 8192 tokens" }
  if (isSummary(request)) return summarise(++summaries)
  if (calls >= mostCalls) return { text: `All ${mostCalls} are computed.` }
  calls++
  return { calls: [{ name: 'calculator', arguments: { expression: `${calls}${' + 1'.repeat(150)}` } }] }
})
const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_MODEL: 'large',
  WARREN_MODEL_SMALL: 'small',
  WARREN_MODEL_URL: chat.url,
  WARREN_MODEL_KEYS: 'sk-none-0123456789',
})

const spec = { name: 'long', instructions: 'Compute.', tools: ['calculator'], memory: { contextTokens: 1500 } }

async function start(more: object = {}): Promise<string> {
  calls = 0
  summaries = 0
  chat.requests.length = 0
  return (await platform.json('POST', '/v1/runs', { agent: { ...spec, ...more }, input: 'Compute a lot.' })).runId
}

async function compactions(runId: string): Promise<Answer[]> {
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)
  return entries.filter(({ type }: Answer) => type === 'thread.compacted').map(({ data }: Answer) => data)
}

async function replayed(runId: string): Promise<void> {
  const again = await platform.json('POST', `/v1/runs/${runId}/replay`, {})
  assert.equal(again.diverged, false, JSON.stringify(again))
}

test('the small model writes what remains of a long conversation; each summary is made of the one before', async () => {
  summarise = (nth) => ({ text: `SUMMARY ${nth}: the sums so far are 151 and more.` })
  const found = await settledRun(platform, await start())
  assert.deepEqual([found.state, found.output], ['done', `All ${mostCalls} are computed.`], JSON.stringify(found))
  const asked = chat.requests.filter(isSummary)
  assert.ok(asked.length >= 2)
  assert.ok(asked.every(({ model, tools }) => model === 'small' && !tools?.length))
  // What is summarised is shown as a record, the last summary with it.
  assert.match(asked[0]!.messages[1]!.content!, /^\[called\] calculator .*\n\[result\] 151/)
  assert.match(asked[1]!.messages[1]!.content!, /^What was said and done before.*\nSUMMARY 1:/)
  const done = await compactions(found.runId)
  assert.ok(done.filter(({ summarised }) => summarised).length === asked.length)
  for (const { tokensBefore, tokensAfter } of done) assert.ok(tokensAfter <= 0.9 * tokensBefore)
  const last = chat.requests.findLast((request) => !isSummary(request))!
  assert.deepEqual(
    last.messages.slice(0, 2).map(({ content }) => content),
    ['Compute.', 'Compute a lot.'],
  )
  assert.match(last.messages[2]!.content!, new RegExp(`SUMMARY ${asked.length}`))
  assert.equal(found.steps, mostCalls + 1 + asked.length)
  await replayed(found.runId)
})

test('a model that fails, says nothing or too much costs the summary and not the run', async () => {
  const bad: (typeof summarise)[] = [
    () => ({ status: 400 }),
    () => ({ text: ' ' }),
    () => ({ text: 'cut', finish: 'length' }),
    () => ({ text: '很长。'.repeat(5000) }),
  ]
  for (const one of bad) {
    summarise = one
    const found = await settledRun(platform, await start())
    assert.deepEqual([found.state, found.output], ['done', `All ${mostCalls} are computed.`], JSON.stringify(found))
    const done = await compactions(found.runId)
    assert.ok(done.length > 0 && summaries > 0)
    for (const { tokensBefore, tokensAfter } of done) assert.ok(tokensAfter <= 0.9 * tokensBefore)
    // It is not asked before each question because the last one did not help.
    assert.ok(summaries <= done.length && summaries < mostCalls / 2, `${summaries} of ${done.length}`)
    await replayed(found.runId)
  }
})

test('an agent may do without it, and its budget holds for summaries too', async () => {
  summarise = () => ({ text: 'SUMMARY' })
  const without = await settledRun(platform, await start({ memory: { contextTokens: 1500, summaries: 'lines' } }))
  assert.deepEqual([without.state, summaries], ['done', 0])
  assert.ok((await compactions(without.runId)).every(({ summarised }) => !summarised))
  const first = await settledRun(platform, await start())
  const { entries } = await platform.json('GET', `/v1/runs/${first.runId}/trace?limit=10000`)
  const { data } = entries.find(({ type, data }: Answer) => type === 'model.asked' && data.thread !== 'main')
  const stopped = await settledRun(platform, await start({ limits: { maxSteps: data.step - 1 } }))
  assert.deepEqual([stopped.reason, summaries], ['max_steps', 0])
})

test('killed while it is summarised, a run goes on with one summary in its place', async () => {
  let asked = 0
  let release = () => {}
  summarise = async () => {
    if (asked++ === 0)
      await new Promise<void>((resolve) => {
        release = resolve
      })
    return { text: 'SUMMARY after all' }
  }
  const runId = await start()
  await until('a summary is asked for', async () => asked === 1)
  await platform.kill('SIGKILL')
  release()
  await platform.start()
  const found = await settledRun(platform, runId)
  assert.equal(found.state, 'done', JSON.stringify(found))
  const [first] = await compactions(runId)
  assert.deepEqual([first.from, first.summarised], [2, true])
  await replayed(runId)
})

test('a model that takes less than its agent says is asked again with less, and where nothing more can go the run ends', async () => {
  summarise = (nth) => ({ text: `SUMMARY ${nth}: the sums so far are 151 and more.` })
  const roomy = { memory: { contextTokens: 100_000 } }
  mostChars = 6000
  const found = await settledRun(platform, await start(roomy))
  assert.deepEqual([found.state, found.output], ['done', `All ${mostCalls} are computed.`], JSON.stringify(found))
  const done = await compactions(found.runId)
  assert.ok(done.length >= 1)
  for (const { tokensBefore, tokensAfter } of done) assert.ok(tokensAfter <= 0.9 * tokensBefore)
  await replayed(found.runId)
  mostChars = 10
  const ended = await settledRun(platform, await start(roomy))
  assert.deepEqual([ended.state, ended.reason], ['failed', 'model_failed'])
  assert.match(ended.message, /context_too_long/)
  assert.equal(chat.requests.length, 1)
  mostChars = Number.POSITIVE_INFINITY
})
