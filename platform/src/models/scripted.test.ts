import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Value } from 'typebox/value'
import { AssistantMessage, type Message, textOf, toolCallsOf } from './message.ts'
import { type Model, type ModelRequest, type Outcome, outcomeOf } from './model.ts'
import { type Script, scriptedModel } from './scripted.ts'

const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] })
const script: Script = {
  steps: [
    {
      expect: { tools: ['calculator'], lastText: '6' },
      reasoning: 'a sum',
      calls: [{ name: 'calculator', arguments: { expression: '6*7' } }],
    },
    { expect: { lastRole: 'tool', results: ['42'] }, text: 'It is 42.' },
  ],
}
const tools = [{ name: 'calculator', inputSchema: { type: 'object' } }]

test('a conversation follows the script, by what the history holds', async () => {
  const messages = [user('6*7?')]
  const first = messageOf(await ask(scriptedModel(script), { messages, tools }))
  assert.equal(Value.Check(AssistantMessage, first), true)
  const [call] = toolCallsOf(first)
  assert.deepEqual([call?.id, first.stopReason], ['call_1_1', 'tool_calls'])
  const result: Message = { role: 'tool', callId: call!.id, content: [{ type: 'text', text: '42' }] }
  // Another object, as in another process.
  const second = messageOf(await ask(scriptedModel(script), { messages: [...messages, first, result], tools }))
  assert.equal(textOf(second), 'It is 42.')
  const over = await ask(scriptedModel(script), { messages: [...messages, first, result, second, user('and?')], tools })
  assert.match(over.type === 'failed' ? over.failure.message : '', /2 steps/)
})

test('the same is answered to the same', async () => {
  const once = await ask(scriptedModel(script), { messages: [user('6*7?')], tools })
  assert.deepEqual(await ask(scriptedModel(script), { messages: [user('6*7?')], tools }), once)
})

test('a request that is not as expected fails and says how', async () => {
  const found = async (request: ModelRequest) => {
    const outcome = await ask(scriptedModel(script), request)
    return outcome.type === 'failed' ? outcome.failure.message : assert.fail()
  }
  assert.match(await found({ messages: [user('6*7?')] }), /step 1 .* calculator, among none/)
  assert.match(await found({ messages: [user('9?')], tools }), /"6" in the last message, which says "9\?"/)
})

test('an earlier answer is given again as it was, with its signatures', async () => {
  const message: AssistantMessage = {
    role: 'assistant',
    content: [
      { type: 'reasoning', text: 'hm', signature: 'abc' },
      { type: 'text', text: 'x' },
    ],
    stopReason: 'end',
    origin: { api: 'anthropic', model: 'm' },
  }
  assert.deepEqual(messageOf(await ask(scriptedModel({ steps: [{ message }] }), { messages: [user('x')] })), message)
})

test('by calls, and again from the beginning, where the script says so', async () => {
  const model = scriptedModel({ position: 'calls', repeat: true, steps: [{ text: 'a' }, { text: 'b' }] })
  const texts: string[] = []
  for (let count = 0; count < 3; count++) texts.push(textOf(messageOf(await ask(model, { messages: [user('x')] }))))
  assert.deepEqual(texts, ['a', 'b', 'a'])
})

test('a script that throws is a failure, and so is giving up', async () => {
  const broken = scriptedModel({
    steps: [
      () => {
        throw new Error('oops')
      },
    ],
  })
  assert.equal((await ask(broken, { messages: [] })).type, 'failed')
  const outcome = await outcomeOf(scriptedModel(script).stream({ messages: [user('6')], tools }, AbortSignal.abort()))
  assert.ok(outcome.type === 'failed' && outcome.failure.code === 'cancelled')
})

const ask = (model: Model, request: ModelRequest): Promise<Outcome> => outcomeOf(model.stream(request))

function messageOf(outcome: Outcome): AssistantMessage {
  return outcome.type === 'done' ? outcome.message : assert.fail(outcome.failure.message)
}
