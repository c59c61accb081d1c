import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Answer } from '../../wire/answer.ts'
import { anthropic } from './wire.ts'

function outcomeOfEvents(...events: object[]) {
  const answer = new Answer(anthropic, { newId: () => 'made' })
  answer.push(Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')))
  return answer.end()
}

const messageOf = (...events: object[]) => {
  const outcome = outcomeOfEvents(...events)
  return outcome.type === 'done' ? outcome.message : assert.fail(JSON.stringify(outcome))
}
const start = (index: number, content_block: object) => ({ type: 'content_block_start', index, content_block })
const delta = (index: number, value: object) => ({ type: 'content_block_delta', index, delta: value })
const stop = (index: number) => ({ type: 'content_block_stop', index })
const end = (stop_reason: string) => [{ type: 'message_delta', delta: { stop_reason } }, { type: 'message_stop' }]

test('what its own tools did is kept verbatim and goes back', () => {
  const result = {
    type: 'web_search_tool_result',
    tool_use_id: 'srvtoolu_1',
    content: [{ type: 'web_search_result', url: 'u' }],
  }
  const citation = { type: 'web_search_result_location', url: 'u', encrypted_index: 'e', cited_text: 'c' }
  const message = messageOf(
    start(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }),
    delta(0, { type: 'input_json_delta', partial_json: '{"query":' }),
    delta(0, { type: 'input_json_delta', partial_json: '"x"}' }),
    stop(0),
    start(1, result),
    stop(1),
    start(2, { type: 'text', text: '' }),
    delta(2, { type: 'text_delta', text: 'Found.' }),
    delta(2, { type: 'citations_delta', citation }),
    stop(2),
    ...end('end_turn'),
  )
  const written = anthropic.writeRequest({ messages: [message] }, { model: 'm', stream: false })
  assert.deepEqual(written.messages, [
    {
      role: 'assistant',
      content: [
        { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } },
        result,
        { type: 'text', text: 'Found.', citations: [citation] },
      ],
    },
  ])
})

test('reasoning that is hidden goes back as it came', () => {
  const message = messageOf(
    start(0, { type: 'redacted_thinking', data: 'xyz' }),
    stop(0),
    start(1, { type: 'text', text: 'Hi' }),
    ...end('end_turn'),
  )
  assert.deepEqual(message.content[0], { type: 'reasoning', text: '', signature: 'xyz', encrypted: true })
  const { messages } = anthropic.writeRequest({ messages: [message] }, { model: 'm', stream: false }) as {
    messages: [{ content: object[] }]
  }
  assert.deepEqual(messages[0].content[0], { type: 'redacted_thinking', data: 'xyz' })
})

test('arguments may come with the beginning, and indices may be missing', () => {
  const whole = messageOf(
    start(0, { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } }),
    stop(0),
    ...end('tool_use'),
  )
  assert.deepEqual(whole.content, [{ type: 'tool_call', id: 'a', name: 'f', arguments: { x: 1 } }])
  const unnumbered = messageOf(
    { type: 'content_block_start', content_block: { type: 'tool_use', id: 'a', name: 'f', input: {} } },
    { type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json: '{"x":1}' } },
    { type: 'content_block_stop' },
    ...end('tool_use'),
  )
  assert.deepEqual(unnumbered.content, whole.content)
})

test('every reason to stop has its word', () => {
  const reasons = {
    pause_turn: 'paused',
    refusal: 'refusal',
    max_tokens: 'length',
    stop_sequence: 'stop_sequence',
    news: 'end',
  }
  for (const [told, expected] of Object.entries(reasons))
    assert.equal(messageOf(start(0, { type: 'text', text: 'x' }), ...end(told)).stopReason, expected)
})

test('input includes what was read from and written to the cache', () => {
  const usage = { input_tokens: 10, cache_read_input_tokens: 100, cache_creation_input_tokens: 1000, output_tokens: 1 }
  const message = messageOf(
    { type: 'message_start', message: { usage } },
    start(0, { type: 'text', text: 'x' }),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7, input_tokens: null } },
    { type: 'message_stop' },
  )
  assert.deepEqual(message.usage, {
    inputTokens: 1110,
    outputTokens: 7,
    cachedInputTokens: 100,
    cacheWriteTokens: 1000,
    reasoningTokens: 0,
  })
})
