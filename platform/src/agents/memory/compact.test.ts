import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomNumbers } from '../../../test/random-numbers.ts'
import type { Message } from '../../models/message.ts'
import { textOf, toolCallsOf } from '../../models/message.ts'
import { type Compaction, compact } from './compact.ts'
import { tokensOf } from './count-tokens.ts'

const limit = 4000

test('whatever a conversation is, it gets shorter, begins as before, and each call stays with its results', () => {
  const random = randomNumbers(5)
  let compactions = 0
  for (let round = 0; round < 300; round++) {
    let messages: Message[] = [said('system', 'You help.'), said('user', `The task ${round}`)]
    const head = JSON.stringify(messages)
    for (let step = 0; step < 60; step++) {
      messages = [...messages, ...someStep(random, step)]
      const found = compact(messages, limit)
      if (!found) {
        assert.ok(tokensOf(messages) <= limit || !canShrink(messages))
        continue
      }
      compactions++
      const before = tokensOf(messages)
      messages = applied(messages, found)
      assert.ok(tokensOf(messages) <= 0.9 * before, `${before} → ${tokensOf(messages)}`)
      assert.equal(JSON.stringify(messages.slice(0, 2)), head)
      assertPaired(messages)
    }
  }
  assert.ok(compactions > 300, String(compactions))
})

test('making it shorter again and again comes to an end', () => {
  const random = randomNumbers(9)
  for (let round = 0; round < 100; round++) {
    let messages: Message[] = [said('user', 'x'.repeat(Math.floor(30_000 * random())))]
    for (let step = 0; step < 30; step++) messages.push(...someStep(random, step))
    let times = 0
    for (let found = compact(messages, limit); found; found = compact(messages, limit)) {
      messages = applied(messages, found)
      assert.ok(++times < 60)
    }
  }
})

test('results lose their middle first, and only then the steps become an account of themselves', () => {
  const step = (n: number, chars: number): Message[] => [
    call(n, { path: `/file${n}` }),
    { role: 'tool', callId: `c${n}`, content: [{ type: 'text', text: `begin ${'y'.repeat(chars)} end` }] },
  ]
  const long = [said('user', 'task'), ...[0, 1, 2, 3].flatMap((n) => step(n, 3500))]
  const first = compact(long, limit)!
  assert.equal(first.messages.length, first.to - first.from)
  assert.match(textOf(first.messages[1]!), /^begin y+\n\[… of 3510 characters.*\]\ny+ end$/)
  const many = [said('user', 'task'), ...Array.from({ length: 60 }, (_, n) => step(n, 300)).flat()]
  const second = compact(many, limit)!
  assert.equal(second.messages.length, 1)
  assert.match(textOf(second.messages[0]!), /called read \{"path":"\/file40"\} → begin y/)
  assert.equal(compact(applied(many, second), limit), undefined)
})

function canShrink(messages: readonly Message[]): boolean {
  return messages.some((message) => message.role === 'tool' && textOf(message).length > 2000)
}

function applied(messages: readonly Message[], { from, to, messages: put }: Compaction): Message[] {
  return [...messages.slice(0, from), ...put, ...messages.slice(to)]
}

/** Each result comes after its call, and each call has one. */
function assertPaired(messages: readonly Message[]): void {
  const open = new Set<string>()
  for (const message of messages) {
    if (message.role === 'tool') assert.ok(open.delete(message.callId), `a result without its call: ${message.callId}`)
    else {
      assert.equal(open.size, 0)
      if (message.role === 'assistant') for (const { id } of toolCallsOf(message)) open.add(id)
    }
  }
  assert.equal(open.size, 0)
}

function someStep(random: () => number, step: number): Message[] {
  const text = (most: number) => (random() < 0.3 ? '文字' : 'some words ').repeat(Math.floor((most * random()) / 10))
  if (random() < 0.2) return [said('user', text(500))]
  const calls = Array.from({ length: Math.floor(3 * random()) }, (_, n) => ({
    type: 'tool_call' as const,
    id: `call_${step}_${n}`,
    name: 'read',
    arguments: { path: text(100) },
  }))
  return [
    { role: 'assistant', content: [{ type: 'text', text: text(300) }, ...calls], stopReason: 'end' } as Message,
    ...calls.map(({ id }): Message => ({ role: 'tool', callId: id, content: [{ type: 'text', text: text(9000) }] })),
  ]
}

function call(n: number, args: Record<string, unknown>): Message {
  const content = [{ type: 'tool_call' as const, id: `c${n}`, name: 'read', arguments: args }]
  return { role: 'assistant', content, stopReason: 'tool_calls' } as Message
}

function said(role: 'system' | 'user', text: string): Message {
  return { role, content: [{ type: 'text', text }] }
}
