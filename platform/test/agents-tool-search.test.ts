import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startChatServer } from './chat-server.ts'
import { type Answer, startPlatform } from './platform.ts'
import { settledRun } from './settled-run.ts'
import { startServer, text, tool } from './tool-server.ts'

const server = await startServer(
  [
    ...Array.from({ length: 60 }, (_, n) =>
      tool(`table_${n}`, { description: `Reads table ${n}.`, annotations: { readOnlyHint: true } }),
    ),
    tool('refund', { description: 'Gives a customer money back.', annotations: { idempotentHint: true } }),
  ],
  ({ name }) => text(`${name} was called`),
)
/** Searches, calls what it found, then answers. */
const chat = await startChatServer(({ messages, tools = [] }) => {
  const results = messages.filter(({ role }) => role === 'tool').length
  if (results === 0) return { calls: [{ name: 'find_tools', arguments: { words: 'give money back' } }] }
  if (results === 1) return { calls: [{ name: 'shop__refund', arguments: { n: 1 } }] }
  return { text: `${tools.length} tools` }
})
const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_MCP_OPEN: '127.0.0.0/8',
  WARREN_MODEL: 'm-1',
  WARREN_MODEL_URL: chat.url,
  WARREN_MODEL_KEYS: 'sk-none-0123456789',
})

test('of many tools a model is told of those that it finds, after the others, and it is the same when done again', async () => {
  const agent = { name: 'searching', tools: ['calculator'], mcp: [{ name: 'shop', url: server.url }] }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Refund it.' })
  const found = await settledRun(platform, runId)
  assert.deepEqual([found.state, found.output], ['done', '4 tools'], JSON.stringify(found))
  const offered = chat.requests.map(({ tools = [] }) => tools.map((one) => one.function.name))
  const always = ['calculator', 'find_tools', 'read_result']
  assert.deepEqual(offered, [always, [...always, 'shop__refund'], [...always, 'shop__refund']])
  // What it was told before stays the same to the byte, so that a vendor's cache holds.
  const told = chat.requests.map(({ tools = [] }) => JSON.stringify(tools.slice(0, 3)))
  assert.equal(new Set(told).size, 1)
  assert.deepEqual(
    server.calls.map(({ name }) => name),
    ['refund'],
  )
  assert.equal((await platform.json('POST', `/v1/runs/${runId}/replay`, {})).diverged, false)
  const fork = await platform.json('POST', `/v1/runs/${runId}/fork`, { at: 2 })
  assert.equal((await settledRun(platform, fork.runId)).output, '4 tools')
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)
  const ended = entries.find(({ type }: Answer) => type === 'tool.ended')
  assert.deepEqual(ended.data.offers, ['shop__refund'])
})
