import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress, parseRange } from './addresses.ts'
import { decideConnection, decideName, decideQuestion } from './decide.ts'
import { closedBecause, parseOpened } from './floor.ts'
import { plainName, readPolicy } from './rules.ts'

const address = (text: string) => parseAddress(text)!

test('parseAddress() and parseRange() take one form only', () => {
  assert.equal(parseAddress('255.255.255.255'), 2 ** 32 - 1)
  for (const text of ['1.2.3', '01.2.3.4', '1.2.3.256', '0x7f.0.0.1', '2130706433', '', '1.2.3.4.5']) {
    assert.equal(parseAddress(text), undefined, text)
    assert.equal(parseRange(text), undefined, text)
  }
  for (const text of ['1.2.3.4/24', '1.2.3.0/33', '1.2.3.0/', '/8']) assert.equal(parseRange(text), undefined, text)
  assert.deepEqual(parseRange('10.1.2.0/24'), {
    first: address('10.1.2.0'),
    last: address('10.1.2.255'),
    text: '10.1.2.0/24',
  })
})

test('the floor holds but for what the operator opens, and some of it always', () => {
  const opened = [parseOpened('10.1.2.0/24')]
  assert.equal(closedBecause(address('10.1.2.3'), opened), undefined)
  for (const closed of [
    '10.1.3.3',
    '127.0.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '224.0.0.1',
    '255.255.255.255',
  ])
    assert.match(closedBecause(address(closed), opened)!, /^is in /, closed)
  for (const never of ['127.0.0.0/8', '169.254.169.254', '0.0.0.0/0', '128.0.0.0/1'])
    assert.throws(() => parseOpened(never), /never opened/)
})

test('deny goes before allow, allow before the rest, the floor before all', () => {
  const rules = readPolicy(
    {
      internet: false,
      allow: ['93.0.0.0/8', 'a.example', '*.b.example:8080', '0.0.0.0/0:9'],
      deny: ['93.1.0.0/16', ':25', 'x.b.example'],
    },
    [],
  )
  const to = (text: string, port: number, names: string[] = []) =>
    decideConnection(rules, { address: address(text), port, names }, [])
  assert.deepEqual(to('93.2.0.1', 22), { allowed: true, inspect: undefined })
  assert.equal(to('93.1.0.1', 22).allowed, false)
  assert.equal(to('93.2.0.1', 25).allowed, false)
  assert.equal(to('10.0.0.1', 9).allowed, false)
  assert.deepEqual(to('8.8.8.8', 443), { allowed: true, inspect: 'tls' })
  assert.equal(to('8.8.8.8', 8080).allowed, false)
  assert.equal(to('8.8.8.8', 8080, ['c.b.example']).allowed, true)
  assert.equal(to('8.8.8.8', 8080, ['x.b.example']).allowed, false)
  assert.equal(decideName(rules, 'a.example', 443), true)
  assert.equal(decideName(rules, 'sub.a.example', 443), false)
  assert.equal(decideName(rules, 'c.b.example', 443), false)
  assert.equal(decideQuestion(rules, 'b.example'), false)
  assert.equal(decideQuestion(rules, 'c.b.example'), true)
  assert.equal(decideQuestion(rules, 'x.b.example'), false)
})

test('plainName() takes names of hosts and no addresses in disguise', () => {
  assert.equal(plainName('WWW.Example.COM.'), 'www.example.com')
  for (const text of [
    '',
    '.',
    'a..b',
    '127.1',
    '2130706433',
    'a.0x7f',
    '-a.b',
    'a b',
    `${'a'.repeat(64)}.b`,
    'a\0.b',
    'é.example',
  ])
    assert.equal(plainName(text), undefined, text)
})
