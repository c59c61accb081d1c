import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkExchanges } from './check-exchanges.ts'
import { type Api, textOf, toolCallsOf } from './message.ts'

/** What the recorded answer comes to: its text, its calls, its tokens; or the code of its failure. It passes the check as well. */
async function read(api: Api, body: unknown) {
  const line = JSON.stringify({ api, status: 200, headers: {}, body })
  const { pass, reason, message, failure } = (await checkExchanges([line])).exchanges[0]!
  assert.ok(pass, reason)
  if (!message) return failure!.code
  const calls = toolCallsOf(message).map(({ id, name, arguments: args }) => [id, name, args])
  const { inputTokens, outputTokens } = message.usage ?? {}
  return { text: textOf(message), calls, tokens: [inputTokens, outputTokens] }
}

const events = (...values: unknown[]) => values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('')
const plain = (text: string, ...tokens: number[]) => ({ text, calls: [], tokens: [tokens[0], tokens[1]] })
const answer = { choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }] }

test('what is written around an answer does not make a failure of it', async () => {
  const around = [{ errors: [] }, { errors: null }, { error: null }, { error: '' }, { error: {} }, { detail: null }]
  const said = [
    { code: '200', message: 'ok' },
    { detail: 'fine' },
    { base_resp: {} },
    { base_resp: { status_code: 0 } },
  ]
  for (const more of [...around, ...said])
    assert.deepEqual(await read('openai-chat', { ...more, ...answer }), plain('ok'), JSON.stringify(more))
  assert.equal(await read('openai-chat', { errors: [{ message: 'slow down', code: 'rate_limit' }] }), 'rate_limited')
  assert.equal(await read('openai-chat', { errors: ['no such model'] }), 'server_error')
  assert.equal(
    await read('openai-chat', { base_resp: { status_code: 1008, status_msg: 'insufficient balance' } }),
    'quota_exceeded',
  )
})

test('calls to which a vendor gave one id are two, however it counts them', async () => {
  const call = (x: number, more = {}) => ({
    id: 'a',
    ...more,
    function: { name: 'f', arguments: JSON.stringify({ x }) },
  })
  const delta = (...calls: object[]) => ({ choices: [{ delta: { tool_calls: calls } }] })
  const end = { choices: [{ delta: {}, finish_reason: 'tool_calls' }] }
  const two = {
    text: '',
    calls: [
      ['a', 'f', { x: 1 }],
      ['made_1', 'f', { x: 2 }],
    ],
    tokens: [undefined, undefined],
  }
  const numbered = events(delta(call(1, { index: 0 })), delta(call(2, { index: 1 })), end)
  assert.deepEqual(await read('openai-chat', numbered), two)
  assert.deepEqual(await read('openai-chat', events(delta(call(1), call(2)), end)), two)
  const whole = { choices: [{ message: { tool_calls: [call(1), call(2)] }, finish_reason: 'tool_calls' }] }
  assert.deepEqual(await read('openai-chat', whole), two)
})

test('of several answers that come mixed the first is read, whole and alone', async () => {
  const choice = (index: number, content: string, finish_reason?: string) => ({
    choices: [{ index, delta: { content }, ...(finish_reason && { finish_reason }) }],
  })
  const mixed = events(choice(0, 'He'), choice(1, 'Good'), choice(1, ' day', 'length'), choice(0, 'llo', 'stop'))
  assert.deepEqual(await read('openai-chat', mixed), plain('Hello'))
  const candidate = (index: number, text: string, finishReason?: string) => ({
    candidates: [{ index, content: { parts: [{ text }] }, ...(finishReason && { finishReason }) }],
  })
  const both = events(candidate(0, 'He'), candidate(1, 'Good', 'MAX_TOKENS'), candidate(0, 'llo', 'STOP'))
  assert.deepEqual(await read('gemini', both), plain('Hello'))
})

test('an answer with its text where older interfaces have it is read', async () => {
  assert.deepEqual(await read('openai-chat', { choices: [{ text: 'ok', finish_reason: 'stop' }] }), plain('ok'))
})

test('counts that end in zeros are those that were told before', async () => {
  const usage = (prompt_tokens: number, completion_tokens: number) => ({ usage: { prompt_tokens, completion_tokens } })
  const delta = { choices: [{ delta: { content: 'x' } }], ...usage(30, 1) }
  const end = { choices: [{ delta: {}, finish_reason: 'stop' }], ...usage(0, 0) }
  assert.deepEqual(await read('openai-chat', events(delta, end)), plain('x', 30, 1))
  const begun = { type: 'message_start', message: { usage: { input_tokens: 25, output_tokens: 1 } } }
  const text = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'x' } }
  const told = {
    type: 'message_delta',
    delta: { stop_reason: 'end_turn' },
    usage: { input_tokens: 0, output_tokens: 7 },
  }
  assert.deepEqual(await read('anthropic', events(begun, text, told, { type: 'message_stop' })), plain('x', 25, 7))
})

test('items of a response that are numbered otherwise in the end are there once', async () => {
  const message = (id: string) => ({
    type: 'message',
    id,
    role: 'assistant',
    content: [{ type: 'output_text', text: 'Hi' }],
  })
  const reasoning = { type: 'reasoning', id: 'rs', summary: [], encrypted_content: 'E' }
  const call = (id: string, call_id: string) => ({ type: 'function_call', id, call_id, name: 'f', arguments: '{}' })
  const item = (output_index: number, one: { type: string }) => [
    { type: 'response.output_item.added', output_index, item: { ...one, content: [], arguments: '' } },
    { type: 'response.output_item.done', output_index, item: one },
  ]
  const done = (...output: object[]) => ({ type: 'response.completed', response: { status: 'completed', output } })
  const streamed = [...item(0, reasoning), ...item(1, message('m'))]
  for (const last of [[reasoning, message('m')], [message('m')], [message('other')], [reasoning, message('other')], []])
    assert.deepEqual(
      await read('openai-responses', events(...streamed, done(...last))),
      plain('Hi'),
      JSON.stringify(last),
    )
  const calls = [call('f1', 'a'), call('f2', 'b')] as const
  const gap = events(...item(0, calls[0]), ...item(2, calls[1]), done(...calls))
  const two = [
    ['a', 'f', {}],
    ['b', 'f', {}],
  ]
  assert.deepEqual(await read('openai-responses', gap), { text: '', calls: two, tokens: [undefined, undefined] })
  const late = await read('openai-responses', events(...item(0, calls[0]), done(...calls)))
  assert.deepEqual(
    late,
    { text: '', calls: two, tokens: [undefined, undefined] },
    'the second is told of in the end alone',
  )
})
