import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRange } from './addresses.ts'
import { judgeAddress, parseOpenRange } from './judge-address.ts'

test('only addresses of the public internet are reached, unless a range is opened', () => {
  for (const address of ['1.1.1.1', '93.184.216.34', '2606:4700::1111', '2a00:1450:4001::', '::ffff:8.8.8.8'])
    assert.deepEqual(judgeAddress(address, []), { reach: 'public' }, address)
  const closed = [
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '224.0.0.1',
  ]
  const hidden = [
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001::1',
    '2001:db8::1',
  ]
  for (const address of [...closed, ...hidden, 'no address'])
    assert.equal(judgeAddress(address, []).reach, 'closed', address)
  assert.deepEqual(judgeAddress('10.1.2.3', [parseRange('10.1.2.0/24')!]), { reach: 'opened' })
  assert.equal(judgeAddress('10.1.3.3', [parseRange('10.1.2.0/24')!]).reach, 'closed')
})

test('metadata and what is nobody are never opened', () => {
  assert.equal(parseOpenRange('127.0.0.0/8').text, '127.0.0.0/8')
  for (const text of ['0.0.0.0/0', '169.254.0.0/16', '169.254.169.254', '224.0.0.1', 'fd00::/8', '10.0.0.1/8', ''])
    assert.throws(() => parseOpenRange(text), { message: /not "/ }, text)
})
