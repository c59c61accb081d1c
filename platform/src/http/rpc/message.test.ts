import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary, toBinary } from './binary.ts'
import { fromJson, toJson } from './json.ts'
import { enumeration, map, message, optional, plain, repeated } from './message.ts'

const Inner = message({ a: plain(1, 'uint32') })
const Outer = message({
  number: plain(1, 'uint32'),
  text: plain(2, 'string'),
  inner: optional(3, Inner),
  list: repeated(4, 'string'),
  names: map(5),
  raw: optional(6, 'bytes'),
  signed: plain(7, 'sint32'),
  large: plain(8, 'int64'),
  when: optional(9, 'timestamp'),
  kind: plain(10, enumeration({ NONE: 0, SOME: 7 })),
  isOn: plain(11, 'bool'),
})

const full = {
  number: 150,
  text: 'testing',
  inner: { a: 150 },
  list: ['x', ''],
  names: { key: 'value', __proto__x: '' },
  raw: Buffer.from([0xff, 0]),
  signed: -2,
  large: -(2 ** 40),
  when: new Date('2026-01-02T03:04:05.678Z'),
  kind: 'SOME' as const,
  isOn: true,
}

test('what is written is read again, in both forms', () => {
  assert.deepEqual(fromBinary(Outer, toBinary(Outer, full)), full)
  assert.deepEqual(fromJson(Outer, JSON.parse(JSON.stringify(toJson(Outer, full)))), full)
})

test('the binary form is that of the specification', () => {
  assert.equal(toBinary(Outer, { number: 150 }).toString('hex'), '089601')
  assert.equal(toBinary(Outer, { text: 'testing' }).toString('hex'), '120774657374696e67')
  assert.equal(toBinary(Outer, { inner: { a: 150 } }).toString('hex'), '1a03089601')
  assert.equal(toBinary(Outer, { signed: -2 }).toString('hex'), '3803')
  assert.equal(toBinary(Outer, { large: -1 }).toString('hex'), '40ffffffffffffffffff01')
})

test('the JSON form: base64, text for large numbers, no defaults, either spelling of names', () => {
  assert.deepEqual(toJson(Outer, { ...full, number: 0, text: '', isOn: false, list: [], inner: { a: 0 } }), {
    inner: {},
    names: full.names,
    raw: '/wA=',
    signed: -2,
    large: String(-(2 ** 40)),
    when: '2026-01-02T03:04:05.678Z',
    kind: 'SOME',
  })
  assert.equal(fromJson(Outer, { is_on: true, unknown: { deep: 1 } }).isOn, true)
  assert.equal(fromJson(Outer, { kind: 7 }).kind, 'SOME')
  assert.equal(fromJson(Outer, { raw: '_wA' }).raw?.toString('hex'), 'ff00')
})

test('what is absent has its default', () => {
  const empty = fromJson(Outer, {})
  assert.deepEqual([empty.number, empty.text, empty.inner, empty.list, empty.kind], [0, '', undefined, [], 'NONE'])
  assert.deepEqual(fromBinary(Outer, Buffer.alloc(0)), empty)
})

test('what cannot be read is a SyntaxError', () => {
  for (const json of [
    null,
    [],
    'x',
    { number: -1 },
    { number: 1.5 },
    { text: 1 },
    { list: 'x' },
    { inner: 1 },
    { kind: 'X' },
  ])
    assert.throws(() => fromJson(Outer, json), SyntaxError, JSON.stringify(json))
  for (const json of [{ raw: '*' }, { when: 'soon' }, { names: { a: 1 } }, { isOn: 'yes' }, { text: '\ud800' }])
    assert.throws(() => fromJson(Outer, json), SyntaxError, JSON.stringify(json))
  for (const hex of ['08', '12ff', '1205aa', '0a00', '12', 'ffffffffffffffffffffff', '1202fffe', '0f', '5007ff'])
    assert.throws(() => fromBinary(Outer, Buffer.from(hex, 'hex')), SyntaxError, hex)
})

test('a few bytes are not taken for any number of fields', () => {
  const nested = message({ inner: repeated(11, Inner) })
  const empty = Buffer.alloc(2 * 1024 * 1024, Buffer.from('5a00', 'hex'))
  assert.throws(() => fromBinary(nested, empty), /at most 20000 fields/)
  assert.equal(fromBinary(nested, empty.subarray(0, 2 * 20_000)).inner.length, 20_000)
})
