import assert from 'node:assert/strict'
import { test } from 'node:test'
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
