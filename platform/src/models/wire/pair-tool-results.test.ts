import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../message.ts'
import { pairToolResults } from './pair-tool-results.ts'
import { acceptedId } from './tool-call-ids.ts'

const call = (...ids: string[]): Message => ({
  role: 'assistant',
  content: ids.map((id) => ({ type: 'tool_call', id, name: 'f', arguments: {} })),
  stopReason: 'tool_calls',
  origin: {},
})
const result = (callId: string, text = callId): Message => ({ role: 'tool', callId, content: [{ type: 'text', text }] })
const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] })
const shape = (messages: Message[]) =>
  pairToolResults(messages).map((one) => (one.role === 'tool' ? one.callId : one.role))

test('a valid history stays as it is', () => {
  const messages = [user('x'), call('a', 'b'), result('a'), result('b'), user('y')]
  assert.deepEqual(pairToolResults(messages), messages)
})

test('results come right after their calls, in their order', () => {
  assert.deepEqual(shape([call('a', 'b'), user('wait'), result('b'), result('a')]), ['assistant', 'a', 'b', 'user'])
})

test('a call without a result gets one, a second result is dropped into words, one without a call too', () => {
  const [, made] = pairToolResults([call('a')])
  assert.ok(made?.role === 'tool' && made.isError)
  assert.deepEqual(shape([result('lost'), user('x')]), ['user', 'user'])
  assert.deepEqual(shape([call('a'), result('a'), result('z')]), ['assistant', 'a', 'user'])
})

test('ids that come again belong to the nearest call', () => {
  const messages = [call('a'), result('a', 'one'), call('a'), result('a', 'two')]
  assert.deepEqual(pairToolResults(messages), messages)
})

test('a long history is looked through once, not once for each call', () => {
  let looks = 0
  const counted = (message: Message): Message =>
    Object.defineProperty({ ...message }, 'role', {
      enumerable: true,
      get: () => {
        looks++
        return message.role
      },
    })
  const turns = Array.from({ length: 500 }, (_, at) => [call(`${at}a`, `${at}b`), result(`${at}b`), result(`${at}a`)])
  const messages = turns.flat().map(counted)
  assert.equal(pairToolResults(messages).length, 1500)
  assert.ok(looks < 20 * messages.length, `${looks} looks at ${messages.length} messages`)
})

test('ids that an API refuses become such as it accepts, the same from the same', () => {
  const accepted = /^[\w-]{1,40}$/
  assert.equal(acceptedId('call_1', accepted), 'call_1')
  const made = acceptedId('functions.f:0', accepted)
  assert.match(made, accepted)
  assert.equal(acceptedId('functions.f:0', accepted), made)
  assert.notEqual(acceptedId('functions.f:1', accepted), made)
})
