import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis, textOf } from '../src/models/message.ts'
import { outcomeOf } from '../src/models/model.ts'
import { openModel } from '../src/models/open-model.ts'
import { testModel } from './contracts/model.ts'
import { openVendorServer } from './vendors/server.ts'
import { speech } from './vendors/speech.ts'

for (const api of apis) testModel(api)

test('a model as an operator names it: keys in turn, retries, a deadline', async () => {
  const server = await openVendorServer()
  try {
    const said = { body: speech.anthropic({ text: 'Hello' }).events }
    server.answer({ status: 401, body: '' }, { status: 529, body: '', headers: { 'retry-after': '0' } }, said)
    const model = openModel(
      { fetch, now: Date.now, newId: () => 'made' },
      { api: 'anthropic', model: 'm-1', baseUrl: server.url, keys: ['first-key', 'second-key'], deadlineMs: 60_000 },
    )
    const outcome = await outcomeOf(
      model.stream({ messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }] }),
    )
    assert.equal(outcome.type === 'done' && textOf(outcome.message), 'Hello')
    const keys = server.requests.map(({ headers }) => headers['x-api-key'])
    assert.deepEqual(keys, ['first-key', 'second-key', 'second-key'])
  } finally {
    await server.close()
  }
})
