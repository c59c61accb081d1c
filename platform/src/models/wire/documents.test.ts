import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../../test/vendors/seeded.ts'
import { type Document, DocumentReader } from './documents.ts'

test('events come out the same whatever ends their lines, wherever the bytes are cut', () => {
  const random = seeded(7)
  for (let round = 0; round < 300; round++) {
    const { bytes, expected } = randomStream(random)
    const found = read(bytes, () => 1 + random(random(2) ? 3 : 40))
    assert.deepEqual(found, expected, JSON.stringify(Buffer.from(bytes).toString()))
  }
})

test('random bytes never throw', () => {
  const random = seeded(8)
  for (let round = 0; round < 300; round++) {
    const words = [
      'data: ',
      'event: x\n',
      '{"a":',
      '1}',
      '\n\n',
      '\r',
      '[',
      '[DONE]',
      ':',
      '<p>',
      '"',
      'é',
      '\u0000',
      'data:{"b":2}\n',
    ]
    const text = Array.from({ length: random(30) }, () => words[random(words.length)]).join('')
    const bytes = Buffer.concat([Buffer.from(text), Buffer.from(Array.from({ length: random(5) }, () => random(256)))])
    for (const document of read(bytes, () => 1 + random(9))) assert.match(document.type, /^(json|end|unreadable)$/)
  }
})

const of = (text: string) => read(Buffer.from(text), () => 5)
const json = (value: Record<string, unknown>, event?: string): Document => ({
  type: 'json',
  value,
  ...(event && { event }),
})

test('the last event counts without its blank line, unless it is cut', () => {
  assert.deepEqual(of('data: {"a":1}'), [json({ a: 1 })])
  assert.deepEqual(of('data: {"a":1}\n\ndata: {"b":'), [
    json({ a: 1 }),
    { type: 'unreadable', text: '{"b":', cut: true },
  ])
})

test('events without blank lines between them are several', () => {
  assert.deepEqual(of('data: {"a":1}\ndata: {"b":2}\ndata: [DONE]\n'), [
    json({ a: 1 }),
    json({ b: 2 }),
    { type: 'end' },
  ])
  assert.deepEqual(of('event: a\ndata: {"a":1}\nevent: b\ndata: {"b":2}\n\n'), [
    json({ a: 1 }, 'a'),
    json({ b: 2 }, 'b'),
  ])
})

test('one document over several data lines is one', () => {
  assert.deepEqual(of('data: {"a":\ndata: 1}\n\n'), [json({ a: 1 })])
  assert.deepEqual(of('data: {"a":"x\ndata: y"}\n\n'), [json({ a: 'xy' })])
})

test('an error written into a stream as it is, is seen', () => {
  assert.deepEqual(of('data: {"a":1}\n\n{"error":{"message":"x"}}\n'), [
    json({ a: 1 }),
    json({ error: { message: 'x' } }),
  ])
})

test('a JSON body, a list of them, and one on each line', () => {
  assert.deepEqual(of(' {"a":1}\n'), [json({ a: 1 }), { type: 'end' }])
  assert.deepEqual(of('[{"a":1},\n{"b":2}]'), [json({ a: 1 }), json({ b: 2 }), { type: 'end' }])
  assert.deepEqual(of('{"a":1}\n{"b":2}\n'), [json({ a: 1 }), json({ b: 2 })])
})

test('signs of life are nothing, broken JSON is not', () => {
  assert.deepEqual(of(': ping\n\ndata: ping\n\ndata:\n\nid: 7\nretry: 3\n\n'), [])
  assert.deepEqual(of('data: {"a":}\n\ndata: {"b":2}\n\n'), [
    { type: 'unreadable', text: '{"a":}', cut: false },
    json({ b: 2 }),
  ])
})

function randomStream(random: (below: number) => number): { bytes: Buffer; expected: Document[] } {
  const ends = ['\n', '\r\n', '\r']
  const end = () => ends[random(3)]!
  const expected: Document[] = []
  let text = random(3) === 0 ? '\ufeff' : ''
  for (let events = 1 + random(6); events > 0; events--) {
    const value = { text: ['plain', '沙箱 🦫', 'a\nb', '"quoted"', '{x: [', ''][random(6)]!, n: random(9) }
    const event = random(2) ? `kind${random(3)}` : undefined
    // One ending for all its lines: "\r" before "\n" would be one.
    const line = end()
    if (random(3) === 0) text += `: comment${line}`
    if (random(4) === 0) text += `id: ${random(9)}${line}retry: 10${line}`
    if (event) text += `event:${random(2) ? ' ' : ''}${event}${line}`
    text += `data:${random(2) ? ' ' : ''}${JSON.stringify(value)}${line}${line}`
    expected.push(json(value, event))
  }
  if (random(2)) {
    text += 'data: [DONE]\n\n'
    expected.push({ type: 'end' })
  }
  return { bytes: Buffer.from(text), expected }
}

function read(bytes: Uint8Array, size: () => number): Document[] {
  const reader = new DocumentReader()
  const found: Document[] = []
  for (let at = 0; at < bytes.length; ) {
    const next = at + size()
    found.push(...reader.push(bytes.subarray(at, next)))
    at = next
  }
  return [...found, ...reader.end()]
}

test('an event that comes in very many pieces is looked through once', () => {
  // So long that what is quadratic takes hours.
  const reader = new DocumentReader()
  const documents = [...reader.push(Buffer.from('data: {"a":"'))]
  const piece = Buffer.alloc(32, 'x')
  for (let bytes = 0; bytes < 16 * 1024 * 1024; bytes += piece.length) documents.push(...reader.push(piece))
  documents.push(...reader.push(Buffer.from('"}\r')), ...reader.push(Buffer.from('\n\ndata: {"b":1}\n\n')))
  const [first, second] = documents
  assert.equal(first?.type === 'json' && String(first.value.a).length, 16 * 1024 * 1024)
  assert.deepEqual(second, json({ b: 1 }))
})
