import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeHeaders } from './gateway/change-headers.ts'
import {
  coversHost,
  fillPlaceholders,
  isLookedInto,
  type Outgoing,
  readHeaderRules,
  ruleFor,
  secretsIn,
} from './outgoing.ts'

const written = (name: string, by = 'warren') => ['$', `{${by}.secrets.${name}}`].join('')
const outgoing: Outgoing = {
  rules: [
    { host: '*.example.com', set: { 'x-wide': '1' }, remove: [] },
    { host: '*.api.example.com', set: { 'x-near': '1' }, remove: ['x-gone'] },
    { host: 'api.example.com', set: { 'x-exact': `a ${written('one', 'e2b')} b` }, remove: [] },
  ],
  secrets: [
    { name: 'one', value: 'v1', hosts: [] },
    { name: 'two', value: '$& $1', hosts: ['*.other.com', 'api.example.com'] },
    { name: 'three', value: 'v3', hosts: [] },
    { name: 'broken', value: 'a\r\nx: y', hosts: ['api.example.com'] },
  ],
  inside: ['two', 'three', 'broken', 'gone'],
}

test('of the rules for a name the nearest one holds, alone', () => {
  const host = (name: string) => ruleFor(outgoing.rules, name)?.host
  assert.deepEqual(['api.example.com', 'b.api.example.com', 'x.example.com', 'example.com', 'xexample.com'].map(host), [
    'api.example.com',
    '*.api.example.com',
    '*.example.com',
    undefined,
    undefined,
  ])
  const looked = ['b.other.com', 'other.com', 'api.example.com', 'elsewhere.com']
  assert.deepEqual(
    looked.map((name) => isLookedInto(outgoing, name)),
    [true, false, true, false],
  )
})

test('a pattern is covered only where every name of it is', () => {
  assert.ok(coversHost(['*.example.com'], 'a.example.com') && coversHost(['*.example.com'], '*.b.example.com'))
  assert.ok(coversHost(['*.example.com'], '*.example.com') && coversHost(['a.example.com'], 'a.example.com'))
  for (const wider of ['example.com', '*.com', 'aexample.com']) assert.ok(!coversHost(['*.example.com'], wider), wider)
  assert.ok(!coversHost(['a.example.com'], '*.a.example.com'))
})

test('placeholders are found in both spellings and filled with the value as it is', () => {
  const text = `${written('One')}${written('two', 'e2b')}${written('', 'warren')}$warren.secrets.one`
  assert.deepEqual(secretsIn(text), ['one', 'two'])
  assert.equal(
    fillPlaceholders(written('two'), () => '$& $1'),
    '$& $1',
  )
  assert.equal(
    fillPlaceholders(written('one'), () => written('two')),
    written('two'),
    'a value is not read again',
  )
})

test('headers are changed for their host, and a request with a placeholder that is for another is not sent', () => {
  const change = (headers: Record<string, string | string[]>, host = 'api.example.com') =>
    changeHeaders(headers, outgoing, host)
  assert.deepEqual(change({ 'x-exact': 'mine', a: ['1', written('two')], constructor: 'x' }), {
    'x-exact': 'a v1 b',
    a: ['1', '$& $1'],
    constructor: 'x',
  })
  assert.deepEqual(change({ 'x-gone': '1', host: 'x' }, 'x.api.example.com'), { host: 'x', 'x-near': '1' })
  for (const [name, reason] of [
    ['one', /was not given/],
    ['three', /is not for/],
    ['broken', /characters/],
    ['gone', /any more/],
  ] as const) {
    assert.throws(() => change({ a: written(name) }), reason)
    const basic = `Basic ${Buffer.from(`user:${written(name)}`).toString('base64')}`
    assert.throws(() => change({ authorization: basic }), reason)
  }
  assert.throws(() => change({ a: written('two') }, 'x.example.com'), /is not for/)
})

test('identity tokens go out by rules that name one there is, and never from inside', () => {
  const token = (name: string) => ['$', `{e2b.identity.tokens.${name}}`].join('')
  const ours = ['$', '{warren.identity.aws}'].join('')
  const rule = { host: 'api.example.com', set: { authorization: `Bearer ${token('aws')}`, 'x-ours': ours }, remove: [] }
  assert.deepEqual(readHeaderRules([rule], ['aws']), [rule])
  assert.throws(() => readHeaderRules([rule], ['AWS']), /there is no identity token "aws"/)
  const given: Outgoing = { rules: [rule], secrets: [], inside: [], identities: { aws: 'a.b.c' } }
  const sent = changeHeaders({ host: 'api.example.com' }, given, 'api.example.com')
  assert.deepEqual([sent.authorization, sent['x-ours']], ['Bearer a.b.c', 'a.b.c'])
  assert.throws(() => changeHeaders({ a: ours }, given, 'api.example.com'), /sent by rules alone/)
  assert.throws(() => changeHeaders({}, { ...given, identities: {} }, 'api.example.com'), /any more/)
})
