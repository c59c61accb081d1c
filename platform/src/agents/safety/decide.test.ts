import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Finding, type HazardName, hazards } from '../../kernel/hazards/hazard.ts'
import type { Rule } from '../agent.ts'
import { decide } from './decide.ts'

/** With this text it takes longer than the universe. */
const [endless, endlessText] = ['^(a+)+$', `${'a'.repeat(60)}!`]

test('the rule with the highest priority decides, of several the strictest', () => {
  const args = { command: 'rm -r x' }
  assert.deepEqual(decide([], { name: 'shell', arguments: args }), { action: 'allow' })
  const rules: Rule[] = [
    { tool: '*', action: 'ask' },
    { tool: 'sh*', action: 'deny', reason: 'no', arguments: { command: '^rm' } },
    { tool: 'shell', action: 'deny', priority: 2, arguments: { missing: '.*' } },
    { tool: 'shell', action: 'allow', priority: 1, arguments: { command: 'y$' } },
  ]
  assert.deepEqual(decide(rules, { name: 'shell', arguments: args }), { action: 'deny', reason: 'no' })
  assert.deepEqual(decide(rules, { name: 'shell', arguments: { command: 'rm -r y' } }), { action: 'allow' })
  assert.deepEqual(decide(rules, { name: 'shell', arguments: { command: ['rm'] } }), { action: 'ask' })
})

test('each finding is decided on by itself, and the strictest answer counts', () => {
  const call = { name: 'shell', arguments: { command: 'x' } }
  const found = (hazard: HazardName): Finding => ({ hazard, severity: hazards[hazard][0], excerpt: 'x' })
  const say = (rules: Rule[], names: HazardName[], isAttended = true) =>
    decide(rules, call, { findings: names.map(found), isAttended }).action
  assert.equal(say([], ['remove-root']), 'ask')
  assert.equal(say([], ['remove-root'], false), 'allow', 'nobody is there')
  assert.equal(say([], ['library-injection', 'raw-socket']), 'allow', 'it is not severe')
  assert.equal(say([{ tool: 'shell', action: 'allow' }], ['remove-root']), 'allow', 'a rule for the tool is one for it')
  assert.equal(say([{ tool: 'other', action: 'allow' }], ['remove-root']), 'ask')
  const allowOne: Rule[] = [{ tool: '*', finding: 'remove-*', action: 'allow' }]
  assert.equal(say(allowOne, ['remove-root']), 'allow')
  assert.equal(say(allowOne, ['remove-root', 'fork-bomb']), 'ask', 'it allows no other')
  const severe: Rule[] = [{ tool: '*', severity: 'medium', action: 'deny' }]
  assert.equal(say(severe, ['raw-socket']), 'allow')
  assert.equal(say(severe, ['kill-all']), 'deny')
  assert.equal(say(severe, []), 'allow', 'a rule for findings is none for a call without one')
  const both: Rule[] = [{ tool: '*', finding: 'mining', severity: 'low', action: 'allow', priority: 1 }, ...severe]
  assert.equal(say(both, ['mining'], false), 'allow')
  assert.equal(say(both, ['mining', 'tunnel'], false), 'deny')
})

test('a call is denied with its own reason where a pattern takes too long with its arguments', () => {
  const rules = [{ tool: 'shell', action: 'deny' as const, arguments: { command: endless } }]
  const verdict = decide(rules, { name: 'shell', arguments: { command: endlessText } })
  assert.deepEqual([verdict.action, verdict.error], ['deny', 'rules_undecided'])
  const other = decide(rules, { name: 'read_file', arguments: { command: endlessText } })
  assert.deepEqual(other, { action: 'allow' }, 'of another tool it is not asked')
  assert.equal(decide(rules, { name: 'shell', arguments: { command: 'b' } }).action, 'allow')
})

test('in the name of a tool a * stands for anything', () => {
  const isNamed = (tool: string, name: string) => decide([{ tool, action: 'deny' }], { name, arguments: {} }).action
  const cases: [string, string, boolean][] = [
    ['*', 'x', true],
    ['a*', 'a', true],
    ['a*c', 'abc', true],
    ['a*c', 'abcb', false],
    ['*b*b', 'abab', true],
    ['*__read_*', 'files__read_text', true],
    ['a.c', 'abc', false],
    ['a.c', 'a.c', true],
    ['ab', 'abc', false],
    ['abc', 'ab', false],
    ['a**', 'abc', true],
    // With a regular expression this would not end.
    [`${'*a'.repeat(63)}*b`, 'a'.repeat(128), false],
    [`${'*a'.repeat(63)}*`, 'a'.repeat(128), true],
  ]
  for (const [pattern, name, holds] of cases)
    assert.equal(isNamed(pattern, name), holds ? 'deny' : 'allow', `${pattern} ${name}`)
})
