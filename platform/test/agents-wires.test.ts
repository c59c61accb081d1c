import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Api, apis } from '../src/models/message.ts'
import { wireOf } from '../src/models/open-model.ts'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'
import { openVendorServer, type VendorReply } from './vendors/server.ts'
import { type Said, speech } from './vendors/speech.ts'

const key = 'sk-of-the-vendor-0123456789'
const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_MODEL: 'm-1', WARREN_MODEL_KEYS: key })

async function start(spec: object): Promise<string> {
  const agent = { name: 'wired', tools: ['calculator'], instructions: 'Compute.', ...spec }
  return (await platform.json('POST', '/v1/runs', { agent, input: 'What is 6 × 7?' })).runId
}

const settled = (runId: string): Promise<Answer> => settledRun(platform, runId)

const trace = async (runId: string): Promise<Answer[]> =>
  (await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)).entries

const soon = { 'retry-after': '0' }
const usage = { input: 120, output: 40, cached: 100, reasoning: 12 }

for (const api of apis) {
  describe(`a run whose model speaks ${api}`, () => {
    let vendor: Awaited<ReturnType<typeof openVendorServer>>
    const says = (said: Said, more: Partial<VendorReply> = {}): VendorReply => ({
      body: speech[api](said).events,
      ...more,
    })
    const asks = (id: string, args: object): Said => ({
      text: 'I compute.',
      calls: [{ id, name: 'calculator', arguments: JSON.stringify(args) }],
      usage,
    })
    const run = async (spec: object, ...replies: VendorReply[]): Promise<Answer> => {
      vendor.answer(...replies)
      return settled(await start(spec))
    }
    before(async () => {
      vendor = await openVendorServer()
      await platform.kill('SIGTERM')
      await platform.start({ WARREN_MODEL_API: api, WARREN_MODEL_URL: vendor.url })
    })
    after(() => vendor.close())

    test('goes on after 429, 500, a cut stream and nonsense, calls tools, and is the same when done again', async () => {
      const wrong = asks('call_a', { expr: '6' })
      const right = asks('call_b', { expression: '6 * 7' })
      const found = await run(
        {},
        { status: 429, headers: soon, body: errorOf(api, 'rate_limit_error', `slow down, ${key}`) },
        { status: 500, headers: soon, body: '<html>' },
        says(wrong, { chunkBytes: 1 }),
        says(right, { cutAfter: 120 }),
        { body: 'data: {"a":\n\ndata: x\n\n' },
        says(right),
        says({ text: 'It is 42 — 四十二.', usage }),
      )
      assert.deepEqual(
        [found.state, found.output, found.steps],
        ['done', 'It is 42 — 四十二.', 3],
        JSON.stringify(found),
      )
      const { inputTokens, outputTokens, cachedInputTokens, estimated } = found.usage
      assert.deepEqual([inputTokens, outputTokens, cachedInputTokens, estimated], [360, 120, 300, undefined])
      const entries = await trace(found.runId)
      const answered = entries.filter(({ type }) => type === 'model.answered')
      assert.deepEqual(
        answered.map(({ data }) => (data.failed ?? []).map((one: Answer) => one.code)),
        [['rate_limited', 'server_error'], ['network', 'malformed'], []],
      )
      const results = entries.filter(({ type }) => type === 'tool.ended').map(({ data }) => [data.status, data.error])
      assert.deepEqual(results, [
        ['failed', 'invalid_arguments'],
        ['done', undefined],
      ])
      assert.doesNotMatch(JSON.stringify(entries), /sk-of-the-vendor/)
      // What the vendor is told at last is the whole conversation, in its own words.
      const { messages } = wireOf(api, 'compatible').readRequest(JSON.parse(vendor.requests.at(-1)!.body)).request
      assert.deepEqual(
        messages.map(({ role }) => role),
        ['system', 'user', 'assistant', 'tool', 'assistant', 'tool'],
      )
      assert.equal(vendor.requests.length, 7)
      assert.deepEqual(await platform.json('POST', `/v1/runs/${found.runId}/replay`, {}), { diverged: false, steps: 3 })
      assert.equal(vendor.requests.length, 7)
    })

    test('ends with the reason where the vendor refuses, or does not recover', async () => {
      const refused = await run({}, { status: 401, body: errorOf(api, 'authentication_error', 'bad key') })
      assert.deepEqual([refused.state, refused.reason], ['failed', 'model_failed'])
      assert.match(refused.message, /auth/)
      const long = { status: 400, body: errorOf(api, 'invalid_request_error', 'prompt is too long: 9 tokens') }
      assert.match((await run({}, long)).message, /context_too_long/)
      const down = await run({}, { status: 503, headers: soon, body: '' })
      assert.deepEqual([down.reason, /overloaded/.test(down.message)], ['model_failed', true])
      const cut = await run({}, says({ text: 'Never whole, never whole.' }, { cutAfter: 60 }))
      assert.deepEqual([cut.reason, /network|malformed/.test(cut.message)], ['model_failed', true])
      assert.equal((await run({}, says({ text: 'Cut', stop: 'length' }))).reason, 'output_limit')
    })

    test('is not held up by a vendor that says nothing: its time ends, or it is cancelled, and the connection goes', async () => {
      const slow = await run({ limits: { deadlineSeconds: 1 } }, { body: '', hangs: true })
      assert.deepEqual([slow.state, slow.reason], ['stopped', 'deadline'])
      await vendor.clientGone()
      vendor.answer({ body: '', hangs: true })
      const before = vendor.requests.length
      const runId = await start({})
      await until('it is asked', () => vendor.requests.length > before)
      await platform.json('POST', `/v1/runs/${runId}/cancel`)
      assert.equal((await settled(runId)).state, 'cancelled')
      await vendor.clientGone()
    })
  })
}

function errorOf(api: Api, type: string, message: string): string {
  if (api === 'anthropic') return JSON.stringify({ type: 'error', error: { type, message } })
  if (api === 'gemini') return JSON.stringify({ error: { code: 400, status: type.toUpperCase(), message } })
  return JSON.stringify({ error: { message, type, param: null, code: null } })
}
