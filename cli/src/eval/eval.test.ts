import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Evaluation } from './evaluate.ts'
import { compare, keepResult, lastResult } from './last-result.ts'
import { score, verdictOf } from './score.ts'
import { type Case, readSuite } from './suite.ts'

const never = () => Promise.reject(new Error('nobody asks it'))
const one = (more: Partial<Case>): Case => ({ name: 'a', input: 'i', agent: 'x', ...more })
const failing = async (given: Case, output: string) =>
  Object.entries(await score(given, output, never)).flatMap(([scorer, why]) => (why === undefined ? [] : scorer))

test('an answer is scored by all that its case asks for, and a judge only where the rest passes', async () => {
  assert.deepEqual(await failing(one({ exact: '42' }), ' 42\n'), [])
  assert.deepEqual(await failing(one({ exact: '42', matches: /^\d+$/u }), '43'), ['exact'])
  const schema = { type: 'object', required: ['total'], properties: { total: { type: 'integer' } } }
  assert.deepEqual(await failing(one({ schema }), '{"total": 3}'), [])
  assert.deepEqual(await failing(one({ schema }), 'It is\n```json\n{"total": 3}\n```\n'), [])
  assert.deepEqual(await failing(one({ schema }), 'So {"total": 3}.'), [])
  for (const wrong of ['{"total": "3"}', '{}', 'three', '{"total": 3'])
    assert.deepEqual(await failing(one({ schema }), wrong), ['schema'])
  assert.match((await score(one({ schema: { type: 'nonsense' } }), '{}', never)).schema!, /not by the schema/)
  // A judge that is asked would throw.
  assert.deepEqual(await failing(one({ exact: '42', judge: 'It is right.' }), '43'), ['exact'])
  const judge = async () => ({ accepted: false, reason: 'it is wrong' })
  assert.deepEqual(await score(one({ judge: 'It is right.' }), '43', judge), { judge: 'it is wrong' })
})

test('a verdict is found in what a judge says, or there is none', () => {
  assert.deepEqual(verdictOf('{"reason": "r", "accepted": true}'), { accepted: true, reason: 'r' })
  assert.deepEqual(verdictOf('Well: {"accepted": false}'), { accepted: false, reason: '' })
  for (const none of ['yes', '{"accepted": "yes"}', '[]', '']) assert.equal(verdictOf(none), undefined)
})

test('what is wrong in a file is said with its place', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'warren-eval-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'suite.json')
  const read = (suite: unknown) => {
    writeFileSync(path, typeof suite === 'string' ? suite : JSON.stringify(suite))
    return readSuite(path)
  }
  const cases = [{ input: 'i', exact: 'o' }]
  assert.throws(() => read('{'), /holds no cases/)
  assert.throws(() => read({ agent: 'a' }), /"cases" must be a list/)
  assert.throws(() => read({ cases }), /"agent" must be a name/)
  assert.throws(() => read({ agent: 'a', cases: [{ input: 'i' }] }), /cases\[0\] must have one of/)
  assert.throws(() => read({ agent: 'a', cases: [{ input: 'i', matches: '(' }] }), /cases\[0\]\.matches is no regular/)
  assert.throws(() => read({ agent: 'a', cases: [{ input: 'i', exakt: 'o' }] }), /a field "exakt"/)
  const twice = [1, 2].map(() => ({ name: 'n', input: 'i', exact: 'o' }))
  assert.throws(() => read({ agent: 'a', cases: twice }), /cases\[1\]\.name/)
  writeFileSync(join(folder, 'agent.json'), JSON.stringify({ name: 'beside' }))
  const suite = read({ agent: 'agent.json', judge: 'strict', cases: [...cases, { ...cases[0], agent: 'other' }] })
  assert.deepEqual(
    [suite.judge, ...suite.cases.map(({ name, agent }) => [name, agent])],
    ['strict', ['1', { name: 'beside' }], ['2', 'other']],
  )
})

test('a result is kept beside its file and compared with the last one', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'warren-eval-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'suite.json')
  assert.equal(lastResult(path), undefined)
  const result = (passed: Record<string, boolean>, tokens: number) => {
    const cases = Object.entries(passed).map(([name, passes]) => ({ name, passed: passes }))
    return { at: 'then', tokens, usd: 0, cases } as Evaluation
  }
  keepResult(path, result({ a: true, b: false, gone: true }, 10))
  assert.match(readFileSync(join(folder, 'suite.last.json'), 'utf8'), /"gone"/)
  const changes = compare(lastResult(path)!, result({ a: false, b: true, fresh: false }, 15))
  assert.deepEqual(changes, { since: 'then', broken: ['a'], fixed: ['b'], tokens: 5, usd: 0 })
  writeFileSync(join(folder, 'suite.last.json'), '{')
  assert.equal(lastResult(path), undefined)
})
