import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { checkedPart } from './checked-part.ts'

test('types, names and ranges are checked; what could take for ever is not there', () => {
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', pattern: '^(a+)+$', minLength: 1 },
      list: { type: 'array', items: { enum: ['a', 'b'] }, uniqueItems: true },
      either: { anyOf: [{ $ref: '#/$defs/x' }, { $ref: '#/$defs/x' }] },
    },
    required: ['name'],
    additionalProperties: false,
    $defs: { x: { $ref: '#' } },
    $id: 'https://example.com/elsewhere',
  }
  assert.deepEqual(checkedPart(schema), {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1 },
      list: { type: 'array', items: { enum: ['a', 'b'] } },
      either: {},
    },
    required: ['name'],
    additionalProperties: false,
  })
  const check = new Ajv().compile(checkedPart(schema))
  assert.ok(check({ name: `${'a'.repeat(40)}!`, list: ['a'], either: 1 }))
  for (const wrong of [{}, { name: 1 }, { name: 'x', list: ['c'] }, { name: 'x', other: 1 }]) assert.ok(!check(wrong))
})

test('whatever a stranger calls a schema can be compiled', () => {
  const ajv = new Ajv({ strict: false })
  let deep: object = { type: 'string' }
  for (let depth = 0; depth < 100; depth++) deep = { type: 'object', properties: { a: deep } }
  const strange = [
    ...[null, 7, 'x', [], deep],
    ...[
      { type: 'nothing' },
      { type: [] },
      { type: ['string', 'string'] },
      { type: 7 },
      { enum: [] },
      { required: 'x' },
    ],
    ...[{ required: ['a', 'a'] }, { required: [1] }, { minLength: -1 }, { maxItems: 0.5 }, { minimum: '1' }],
    ...[
      { properties: [] },
      { properties: { a: 7 } },
      { items: [1] },
      JSON.parse('{"properties":{"__proto__":{"type":"x"}}}'),
    ],
    ...[{ properties: { a: true }, patternProperties: { b: {} }, additionalProperties: false }],
  ]
  for (const schema of strange)
    assert.doesNotThrow(() => ajv.compile(checkedPart(schema)), JSON.stringify(schema)?.slice(0, 80))
  assert.equal(checkedPart(strange.at(-1)).additionalProperties, undefined)
})
