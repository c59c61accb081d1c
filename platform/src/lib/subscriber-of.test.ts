import assert from 'node:assert/strict'
import { test } from 'node:test'
import { subscriberOf } from './subscriber-of.ts'

test('subscriberOf() is the address of IPv4, and the first 64 bits of IPv6 however they are written', () => {
  assert.equal(subscriberOf('192.0.2.7'), '192.0.2.7')
  const same = ['2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2:0:0:0:9%eth0']
  for (const address of same) assert.equal(subscriberOf(address), '2001:db8:1:2', address)
  assert.notEqual(subscriberOf('2001:db8:1:3::1'), '2001:db8:1:2')
  assert.equal(subscriberOf('::1'), '0:0:0:0')
  assert.equal(subscriberOf('2001:db8::5'), '2001:db8:0:0')
})
