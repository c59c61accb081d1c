import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustedProxies } from './client-address.ts'
import { arrivedSafely } from './plain-http.ts'

const trusted = trustedProxies(['10.0.0.0/8', '127.0.0.2'])
const safely = (remoteAddress: string, headers: Record<string, string> = {}, encrypted = false) =>
  arrivedSafely({ headers, socket: { remoteAddress, encrypted } as never }, trusted)

test('TLS and this machine are safe; the network is not, whatever it says', () => {
  assert.ok(safely('203.0.113.1', {}, true))
  assert.ok(safely('127.0.0.1') && safely('::1') && safely('::ffff:127.0.0.1'))
  assert.ok(!safely('203.0.113.1') && !safely('10.1.2.3') && !safely(''))
  assert.ok(!safely('203.0.113.1', { 'x-forwarded-proto': 'https' }), 'nobody trusts it')
})

test('a trusted proxy says by what it was asked; one that is not trusted is a stranger, also on this machine', () => {
  assert.ok(safely('10.1.2.3', { 'x-forwarded-proto': 'https' }))
  assert.ok(safely('::ffff:10.1.2.3', { 'x-forwarded-proto': 'HTTPS, https', 'x-forwarded-for': '203.0.113.1' }))
  assert.ok(!safely('10.1.2.3', { 'x-forwarded-proto': 'http' }))
  assert.ok(!safely('10.1.2.3', { 'x-forwarded-proto': 'https, http' }), 'one of them was asked in the open')
  assert.ok(!safely('10.1.2.3', { 'x-forwarded-for': '203.0.113.1' }), 'it does not say')
  assert.ok(safely('127.0.0.2', { 'x-forwarded-proto': 'https' }))
  for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'forwarded'])
    assert.ok(!safely('127.0.0.1', { [name]: 'https' }), name)
})
