import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Answer, startPlatform } from './platform.ts'
import { settledRun } from './settled-run.ts'
import { openVendorServer, type VendorReply } from './vendors/server.ts'
import { speech } from './vendors/speech.ts'

const [vendor, other] = await Promise.all([openVendorServer(), openVendorServer()])
after(() => Promise.all([vendor.close(), other.close()]))
const keys = { main: 'sk-of-the-vendor-0123456789', fallback: 'sk-of-the-other-9876543210' }
const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_MODEL: 'm-1',
  WARREN_MODEL_URL: vendor.url,
  WARREN_MODEL_KEYS: keys.main,
  WARREN_MODEL_PRICES: '1,1',
  WARREN_MODEL_FALLBACK: 'm-2',
  WARREN_MODEL_FALLBACK_API: 'anthropic',
  WARREN_MODEL_FALLBACK_URL: other.url,
  WARREN_MODEL_FALLBACK_KEYS: keys.fallback,
  WARREN_MODEL_FALLBACK_PRICES: '0,100000',
})

const usage = { input: 100, output: 10, cached: 0, reasoning: 0 }
const refused = (said: string): VendorReply => ({ status: 401, body: JSON.stringify({ error: { message: said } }) })

async function run(): Promise<{ found: Answer; entries: Answer[] }> {
  const agent = { name: 'steady', instructions: 'Answer.' }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Go.' })
  const found = await settledRun(platform, runId)
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=1000`)
  return { found, entries }
}

const answersIn = (entries: Answer[]) =>
  entries
    .filter(({ type }) => ['model.answered', 'model.failed'].includes(type))
    .map(({ data }) => [data.model, (data.failed ?? []).map((one: Answer) => `${one.model} ${one.code}`)])

test('what the model refuses is answered by the fallback, in its own words and at its own price, until the model has rested', async () => {
  vendor.answer(refused(`no such key: ${keys.main}`))
  other.answer({ body: speech.anthropic({ text: 'From elsewhere.', usage }).events })
  const first = await run()
  assert.deepEqual([first.found.state, first.found.output], ['done', 'From elsewhere.'], JSON.stringify(first.found))
  assert.deepEqual(answersIn(first.entries), [['anthropic/m-2', ['compatible/m-1 auth']]])
  assert.equal(first.found.usage.usd, 1)
  assert.doesNotMatch(JSON.stringify(first.entries), /sk-of-the/)
  const asked = other.requests.at(-1)!
  assert.equal(asked.headers['x-api-key'], keys.fallback)

  other.answer({ body: speech.anthropic({ text: 'Again.', usage }).events })
  const second = await run()
  assert.equal(second.found.output, 'Again.')
  assert.equal(vendor.requests.length, 1, 'a model whose key was refused a moment ago is not asked')
})

test('what neither answers fails with the words of the last', async () => {
  other.answer({ status: 400, body: JSON.stringify({ error: { type: 'invalid_request_error', message: 'not so' } }) })
  const { found, entries } = await run()
  assert.equal(found.state, 'failed')
  assert.match(found.message, /not so/)
  assert.equal(answersIn(entries)[0]![0], 'anthropic/m-2')
})
