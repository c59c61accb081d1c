import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Answer } from '../../wire/answer.ts'
import { gemini } from './wire.ts'

function outcomeOf(body: string) {
  let ids = 0
  const answer = new Answer(gemini, { newId: () => `made_${++ids}` })
  answer.push(Buffer.from(body))
  return answer.end()
}

const messageOf = (body: string) => {
  const outcome = outcomeOf(body)
  return outcome.type === 'done' ? outcome.message : assert.fail(JSON.stringify(outcome))
}
const piece = (parts: object[], finishReason?: string) => ({
  candidates: [{ content: { role: 'model', parts }, ...(finishReason && { finishReason }) }],
})
const events = (...values: object[]) => values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('')

test('a signature of its own belongs to what was said last', () => {
  const { content } = messageOf(
    events(piece([{ text: 'Hel' }]), piece([{ text: 'lo' }]), piece([{ text: '', thoughtSignature: 'sig' }], 'STOP')),
  )
  assert.deepEqual(content, [{ type: 'text', text: 'Hello', signature: 'sig' }])
})

test('what was signed is not mixed with what follows', () => {
  const { content } = messageOf(events(piece([{ text: 'a', thoughtSignature: 's1' }]), piece([{ text: 'b' }], 'STOP')))
  assert.deepEqual(content, [
    { type: 'text', text: 'a', signature: 's1' },
    { type: 'text', text: 'b' },
  ])
})

test('calls without ids get some, and go back without, each with its signature and its result', () => {
  const message = messageOf(
    JSON.stringify(
      piece(
        [{ functionCall: { name: 'f', args: {} }, thoughtSignature: 'sig' }, { functionCall: { name: 'f' } }],
        'STOP',
      ),
    ),
  )
  assert.equal(message.stopReason, 'tool_calls')
  const results = ['made_2', 'made_1'].map((callId) => ({
    role: 'tool' as const,
    callId,
    content: [{ type: 'text' as const, text: callId }],
  }))
  const { contents } = gemini.writeRequest({ messages: [message, ...results] }, { model: 'gemini-3-pro', stream: true })
  assert.deepEqual(contents, [
    {
      role: 'model',
      parts: [
        { functionCall: { name: 'f', args: {} }, thoughtSignature: 'sig' },
        { functionCall: { name: 'f', args: {} } },
      ],
    },
    {
      role: 'user',
      parts: ['made_1', 'made_2'].map((output) => ({ functionResponse: { name: 'f', response: { output } } })),
    },
  ])
})

test('code that the vendor ran, and images, are kept', () => {
  const parts = [
    { executableCode: { language: 'PYTHON', code: '1' } },
    { codeExecutionResult: { outcome: 'OUTCOME_OK' } },
    { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
  ]
  const message = messageOf(JSON.stringify(piece(parts, 'STOP')))
  const { contents } = gemini.writeRequest({ messages: [message] }, { model: 'm', stream: true })
  assert.deepEqual(contents, [{ role: 'model', parts }])
})

test('a stream as a list, and an answer without a reason to stop', () => {
  assert.equal(messageOf(JSON.stringify([piece([{ text: 'a' }]), piece([{ text: 'b' }], 'STOP')])).content.length, 1)
  assert.equal(messageOf(JSON.stringify(piece([{ text: 'a' }]))).stopReason, 'end')
  assert.equal(outcomeOf(events(piece([{ text: 'a' }]))).type, 'failed')
})

test('what was filtered or broken says so', () => {
  const code = (body: object) => {
    const outcome = outcomeOf(JSON.stringify(body))
    return outcome.type === 'failed' ? outcome.failure.code : outcome.message.stopReason
  }
  assert.equal(code({ promptFeedback: { blockReason: 'SAFETY' } }), 'content_filtered')
  assert.equal(code({ candidates: [{ finishReason: 'RECITATION' }] }), 'content_filtered')
  assert.equal(code({ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }), 'malformed')
  assert.equal(code(piece([{ text: 'a' }], 'MAX_TOKENS')), 'length')
  assert.equal(code([{ error: { code: 503, status: 'UNAVAILABLE', message: 'busy' } }]), 'overloaded')
})
