import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { speech } from '../../test/vendors/speech.ts'
import { checkExchanges, type ExchangeVerdict } from './check-exchanges.ts'
import { type Api, apis } from './message.ts'

const check = async (...exchanges: (object | string)[]) =>
  checkExchanges(exchanges.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))))
const verdict = async (exchange: object | string): Promise<ExchangeVerdict> => (await check(exchange)).exchanges[0]!

const requests: Record<Api, object> = {
  'openai-chat': {
    model: 'm',
    stream: true,
    stream_options: { include_usage: true },
    seed: 7,
    messages: [
      { role: 'developer', content: 'Be brief.' },
      {
        role: 'user',
        name: 'ann',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image_url', image_url: { url: 'https://e.invalid/a.png', detail: 'low' } },
        ],
      },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'I look.',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"x": [1]}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: '42' },
    ],
    tools: [
      {
        type: 'function',
        function: { name: 'f', description: 'Looks.', parameters: { type: 'object' }, strict: true },
      },
    ],
    tool_choice: { type: 'function', function: { name: 'f' } },
    response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
  },
  'openai-responses': {
    model: 'm',
    instructions: 'Be brief.',
    store: true,
    reasoning: { effort: 'low', summary: 'auto' },
    text: { format: { type: 'text' }, verbosity: 'low' },
    include: ['web_search_call.action.sources'],
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'See' },
          { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
        ],
      },
      {
        type: 'reasoning',
        id: 'rs',
        summary: [
          { type: 'summary_text', text: 'One.' },
          { type: 'summary_text', text: 'Two.' },
        ],
        encrypted_content: 'gAAA',
      },
      { type: 'web_search_call', id: 'ws', status: 'completed', action: { type: 'search', query: 'x' } },
      { type: 'function_call', id: 'fc', call_id: 'a', name: 'f', arguments: '{"x":1}' },
      { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_text', text: '42' }] },
      {
        type: 'message',
        id: 'msg',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Done.', annotations: [] }],
      },
      { role: 'user', content: 'And?' },
    ],
    tools: [{ type: 'function', name: 'f', parameters: { type: 'object' }, strict: true }, { type: 'web_search' }],
  },
  anthropic: {
    model: 'm',
    max_tokens: 4096,
    metadata: { user_id: 'ann' },
    system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    thinking: { type: 'enabled', budget_tokens: 2048 },
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image', source: { type: 'url', url: 'https://e.invalid/a.png' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'I look.', signature: 'sig' },
          { type: 'redacted_thinking', data: 'secret' },
          { type: 'tool_use', id: 'toolu_1', name: 'f', input: { x: 1 } },
          { type: 'tool_use', id: 'toolu_2', name: 'f', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'toolu_1', content: '42' },
          {
            type: 'tool_result',
            tool_use_id: 'toolu_2',
            is_error: true,
            content: [{ type: 'text', text: 'no' }],
            cache_control: { type: 'ephemeral' },
          },
          { type: 'text', text: 'Go on' },
        ],
      },
    ],
    tools: [
      { name: 'f', input_schema: { type: 'object', properties: {} } },
      { type: 'web_search_20250305', name: 'web_search' },
    ],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  },
  gemini: {
    system_instruction: { parts: [{ text: 'Be brief.' }] },
    contents: [
      { role: 'user', parts: [{ text: 'See' }, { inline_data: { mime_type: 'image/png', data: 'AAAA' } }] },
      {
        role: 'model',
        parts: [
          { text: 'I look.', thought: true },
          { functionCall: { name: 'f', args: { x_y: 1 } }, thoughtSignature: 'sig' },
          { functionCall: { name: 'g', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'f', response: { result: 42 } } },
          { functionResponse: { name: 'g', response: { output: 'ok' } } },
        ],
      },
    ],
    tools: [
      { functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT' } }, { name: 'g' }] },
      { googleSearch: {} },
    ],
    toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f', 'g'] } },
    generationConfig: { temperature: 0.5, topK: 3, thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } },
    safetySettings: [{ category: 'C', threshold: 'T' }],
  },
}

const said = {
  text: 'Hello',
  reasoning: 'hm',
  signature: 'sig',
  calls: [{ id: 'call_1', name: 'f', arguments: '' }],
  usage: { input: 9, output: 4, cached: 1, reasoning: 1 },
}

for (const api of apis) {
  test(`${api}: streams, documents and errors pass, and the request is reproduced`, async () => {
    const { events, json } = speech[api](said)
    const report = await check(
      { api, request: requests[api], status: 200, headers: { 'content-type': 'text/event-stream' }, body: events },
      {
        api,
        request: { method: 'POST', url: 'https://e.invalid/v1/models/m:x', body: JSON.stringify(requests[api]) },
        status: 200,
        headers: [['a', 'b']],
        body: JSON.parse(json),
      },
      { api, request: requests[api], status: 200, headers: {}, body: events.slice(0, events.length / 2) },
      { api, request: requests[api], status: 429, headers: { 'retry-after': '2' }, body: '<html>' },
      { api, request: requests[api], status: 500, headers: {}, body: '' },
    )
    assert.deepEqual(report.apis[api], { pass: true, passed: 5, failed: 0, reasons: [] })
    assert.equal(report.ok, true)
    assert.equal(report.exchanges[0]?.message?.stopReason, 'tool_calls')
    assert.equal(report.exchanges[3]?.failure?.retryAfterMs, 2000)
  })
}

test('lines that are no exchange fail, with the reason', async () => {
  assert.match((await verdict('{"api":')).reason!, /no JSON/)
  assert.match((await verdict({ api: 'other', status: 200, body: '' })).reason!, /api must be one of/)
  assert.match((await verdict({ api: 'gemini', body: '' })).reason!, /status must be/)
  assert.equal((await verdict('{"api":"gemini","status":"x"}')).api, 'gemini')
  assert.deepEqual(await check(), { ok: false, apis: {}, exchanges: [] })
})

test('a whole answer that an adapter cannot read does not pass', async () => {
  const odd = { output: [], candidates: [{ content: { sections: [{ text: 'Hello' }] } }] }
  assert.match((await verdict({ api: 'gemini', status: 200, headers: {}, body: odd })).reason!, /looks whole/)
})

test('requests that are valid and unusual are reproduced', async () => {
  const path = join(import.meta.dirname, '../../test/vendors/unusual-exchanges.jsonl')
  const { exchanges } = await checkExchanges(readFileSync(path, 'utf8').split('\n'))
  assert.ok(exchanges.length > 30)
  assert.deepEqual(
    exchanges.filter(({ pass }) => !pass),
    [],
  )
})

test('one bad exchange spoils its API alone', async () => {
  const report = await check({ api: 'gemini', status: 500, headers: {}, body: '' }, { api: 'anthropic', status: 'x' })
  assert.equal(report.ok, false)
  assert.equal(report.apis.gemini?.pass, true)
  assert.deepEqual(report.apis.anthropic?.failed, 1)
})
