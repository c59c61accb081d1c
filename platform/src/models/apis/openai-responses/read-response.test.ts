import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf } from '../../message.ts'
import { Answer } from '../../wire/answer.ts'
import { openaiResponses } from './wire.ts'

function outcomeOf(body: string) {
  const answer = new Answer(openaiResponses, { newId: () => 'made' })
  answer.push(Buffer.from(body))
  return answer.end()
}

const events = (...values: object[]) => values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('')
const messageOf = (body: string) => {
  const outcome = outcomeOf(body)
  return outcome.type === 'done' ? outcome.message : assert.fail(JSON.stringify(outcome))
}
const search = { id: 'ws_1', type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'x' } }
const reasoning = {
  id: 'rs_1',
  type: 'reasoning',
  summary: [
    { type: 'summary_text', text: 'One.' },
    { type: 'summary_text', text: 'Two.' },
  ],
  encrypted_content: 'gAAA',
}
const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  phase: 'final',
  content: [{ type: 'output_text', text: 'Hi', annotations: [{ type: 'url_citation', url: 'u' }] }],
}
const call = { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"x":1}' }
const response = { id: 'r', object: 'response', status: 'completed', output: [reasoning, search, message, call] }

test('all items go back in their order, with their ids', () => {
  const read = messageOf(JSON.stringify(response))
  assert.equal(read.stopReason, 'tool_calls')
  const { input } = openaiResponses.writeRequest({ messages: [read] }, { model: 'm', stream: false }) as {
    input: Record<string, unknown>[]
  }
  assert.deepEqual(
    input.map(({ type, id }) => [type, id]),
    [
      ['reasoning', 'rs_1'],
      ['web_search_call', 'ws_1'],
      ['message', 'msg_1'],
      ['function_call', 'fc_1'],
      ['function_call_output', undefined],
    ],
  )
  assert.equal(input[0]!.encrypted_content, 'gAAA')
})

test('where reasoning cannot go back, what follows goes back without its id', () => {
  const hidden = { id: 'rs_1', type: 'reasoning', summary: [] }
  const read = messageOf(JSON.stringify({ ...response, output: [hidden, message] }))
  const { input } = openaiResponses.writeRequest({ messages: [read] }, { model: 'm', stream: false })
  assert.deepEqual(
    (input as { type: string; id?: string }[]).map(({ type, id }) => [type, id]),
    [['message', undefined]],
  )
})

test('a stream of nothing but its last event, or of nothing but whole items, says the same', () => {
  const whole = messageOf(JSON.stringify(response))
  assert.deepEqual(messageOf(events({ type: 'response.completed', response })), whole)
  const items = response.output.map((item, output_index) => ({ type: 'response.output_item.done', output_index, item }))
  assert.deepEqual(
    messageOf(events(...items, { type: 'response.completed', response: { ...response, output: [] } })),
    whole,
  )
})

test('pieces without an index belong to their item, or to the last', () => {
  const added = {
    type: 'response.output_item.added',
    item: { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'f' },
  }
  const pieces = [{ item_id: 'fc_1', delta: '{"x"' }, { delta: ':1}' }]
  const read = messageOf(
    events(added, ...pieces.map((piece) => ({ type: 'response.function_call_arguments.delta', ...piece })), {
      type: 'response.completed',
      response: { status: 'completed' },
    }),
  )
  assert.deepEqual(read.content, [{ type: 'tool_call', id: 'call_1', name: 'f', arguments: { x: 1 } }])
})

test('a refusal is words and a reason to stop', () => {
  const read = messageOf(
    JSON.stringify({ ...response, output: [{ ...message, content: [{ type: 'refusal', refusal: 'No.' }] }] }),
  )
  assert.deepEqual([textOf(read), read.stopReason], ['No.', 'refusal'])
})

test('what failed, was filtered or goes on elsewhere says so', () => {
  const code = (body: object) => {
    const outcome = outcomeOf(events(body))
    return outcome.type === 'failed' ? outcome.failure.code : outcome.message.stopReason
  }
  const failed = { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'slow down' } }
  assert.equal(code({ type: 'response.failed', response: failed }), 'rate_limited')
  assert.equal(code({ type: 'error', code: 'server_error', message: 'oops' }), 'server_error')
  assert.equal(code({ type: 'error', error: { type: 'invalid_request_error', message: 'no' } }), 'invalid_request')
  const incomplete = (reason: string) => ({
    type: 'response.incomplete',
    response: { output: [message], incomplete_details: { reason } },
  })
  assert.equal(code(incomplete('content_filter')), 'content_filtered')
  assert.equal(code(incomplete('max_output_tokens')), 'length')
  assert.equal(code({ object: 'response', status: 'queued', output: [] }), 'paused')
})
