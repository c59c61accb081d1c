import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AssistantMessage, toolCallsOf } from '../../message.ts'
import { Answer } from '../../wire/answer.ts'
import { chatVendors } from './vendors.ts'
import { openaiChat } from './wire.ts'

const call = (fields: object) => ({ choices: [{ index: 0, delta: { tool_calls: [fields] } }] })
const done = (finish_reason: string | null = 'tool_calls') => ({ choices: [{ index: 0, delta: {}, finish_reason }] })

test('pieces of calls find each other, however a vendor numbers them', () => {
  const variants: [string, object[]][] = [
    [
      'index and id once',
      [
        call({ index: 0, id: 'a', function: { name: 'f', arguments: '' } }),
        call({ index: 0, function: { arguments: '{"x":' } }),
        call({ index: 0, function: { arguments: '1}' } }),
        call({ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
    ],
    [
      'no index',
      [
        call({ id: 'a', function: { name: 'f', arguments: '{"x"' } }),
        call({ function: { arguments: ':1}' } }),
        call({ id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
    ],
    [
      'index 0 for each',
      [
        call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":1}' } }),
        call({ index: 0, id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
    ],
    [
      'id and name in each piece',
      [
        call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":' } }),
        call({ index: 0, id: 'a', function: { name: 'f', arguments: '1}' } }),
        call({ index: 1, id: 'b', function: { name: 'g', arguments: '' } }),
      ],
    ],
    [
      'empty ids and names later, null arguments',
      [
        call({ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: null } }),
        call({ index: 0, id: '', type: null, function: { name: '', arguments: '{"x":1}' } }),
        call({ index: 1, id: 'b', function: { name: 'g' } }),
      ],
    ],
    [
      'late type, id and name',
      [
        call({ index: 0, function: { name: 'f' } }),
        call({ index: 0, id: 'a', type: 'function', function: { arguments: '{"x":1}' } }),
        call({ index: 1, function: { arguments: '{}' } }),
        call({ index: 1, id: 'b', function: { name: 'g' } }),
      ],
    ],
    [
      'arguments as an object, both in one piece',
      [
        {
          choices: [
            {
              delta: {
                tool_calls: [
                  { id: 'a', function: { name: 'f', arguments: { x: 1 } } },
                  { id: 'b', function: { name: 'g', arguments: {} } },
                ],
              },
            },
          ],
        },
      ],
    ],
  ]
  for (const [name, chunks] of variants) {
    const calls = toolCallsOf(message([...chunks, done()]))
    assert.deepEqual(
      calls,
      [
        { type: 'tool_call', id: 'a', name: 'f', arguments: { x: 1 } },
        { type: 'tool_call', id: 'b', name: 'g', arguments: {} },
      ],
      name,
    )
  }
})

test('calls without ids, or with the same, get ids of their own', () => {
  const without = message([
    call({ index: 0, function: { name: 'f', arguments: '{}' } }),
    call({ index: 1, function: { name: 'f', arguments: '{}' } }),
    done('stop'),
  ])
  assert.deepEqual(
    toolCallsOf(without).map(({ id }) => id),
    ['made_1', 'made_2'],
  )
  assert.equal(without.stopReason, 'tool_calls')
  const same = message([
    {
      choices: [
        {
          message: {
            tool_calls: [
              { index: 0, id: 'a', function: { name: 'f', arguments: '' } },
              { index: 1, id: 'a', function: { name: 'g', arguments: '' } },
            ],
          },
          finish_reason: 'tool_calls',
        },
      ],
    },
  ])
  assert.deepEqual(
    toolCallsOf(same).map(({ id, name }) => [id, name]),
    [
      ['a', 'f'],
      ['made_1', 'g'],
    ],
  )
})

test('arguments that are no JSON stay as they are and must not run', () => {
  const [broken] = toolCallsOf(
    message([call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":' } }), done('length')]),
  )
  assert.deepEqual([broken?.arguments, broken?.invalidArguments], [{}, '{"x":'])
})

test('reasoning is found where each vendor has it', () => {
  for (const delta of [
    { reasoning_content: 'hm' },
    { reasoning: 'hm' },
    { reasoning: 'hm', reasoning_content: 'hm' },
    { reasoning_details: [{ type: 'reasoning.text', text: 'hm' }] },
    { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] },
  ]) {
    const [part] = message([
      { choices: [{ delta }] },
      { choices: [{ delta: { content: 'x' }, finish_reason: 'stop' }] },
    ]).content
    assert.ok(part?.type === 'reasoning' && part.text === 'hm', JSON.stringify(delta))
  }
})

test('usage is found where each vendor has it, and unknown where it is not', () => {
  const finished = { choices: [{ delta: { content: 'x' }, finish_reason: 'stop' }] }
  assert.equal(message([finished]).usage, undefined)
  assert.equal(message([{ ...finished, usage: null }]).usage, undefined)
  const kimi = {
    choices: [
      {
        delta: { content: 'x' },
        finish_reason: 'stop',
        usage: { prompt_tokens: 5, completion_tokens: 2, cached_tokens: 4 },
      },
    ],
  }
  assert.equal(message([kimi]).usage?.cachedInputTokens, 4)
  const deepseek = message([
    finished,
    { choices: [], usage: { prompt_tokens: 5, completion_tokens: 2, prompt_cache_hit_tokens: 3 } },
  ])
  assert.equal(deepseek.usage?.cachedInputTokens, 3)
  const google = message([
    finished,
    { choices: [], usage: { prompt_tokens: 35, completion_tokens: 12, total_tokens: 126 } },
  ])
  assert.deepEqual([google.usage?.outputTokens, google.usage?.reasoningTokens], [91, 79])
})

test('each vendor is asked as it wants to be asked', () => {
  const ask = (vendor: keyof typeof chatVendors) =>
    openaiChat(chatVendors[vendor]).writeRequest(
      {
        messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
        tools: [{ name: 'f', inputSchema: { type: 'object' } }],
        toolChoice: 'required',
        maxOutputTokens: 9,
        reasoning: { effort: 'none' },
      },
      { model: 'm', stream: false },
    )
  assert.equal(ask('openai').max_completion_tokens, 9)
  assert.equal(ask('openai').reasoning_effort, 'none')
  assert.deepEqual(ask('deepseek').thinking, { type: 'disabled' })
  assert.equal(ask('qwen').enable_thinking, false)
  assert.equal(ask('kimi').tool_choice, 'auto')
  assert.deepEqual(ask('vllm').chat_template_kwargs, { enable_thinking: false })
  assert.equal(ask('ollama').max_tokens, 9)
})

function message(chunks: object[]): AssistantMessage {
  let ids = 0
  const answer = new Answer(openaiChat(chatVendors.compatible), { newId: () => `made_${++ids}` })
  answer.push(Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')))
  const outcome = answer.end()
  return outcome.type === 'done' ? outcome.message : assert.fail(JSON.stringify(outcome))
}
