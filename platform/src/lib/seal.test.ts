import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seal, unseal } from './seal.ts'

test('what is sealed is read with the same secret for the same purpose, and not otherwise', () => {
  const sealed = seal('secret', 'totp', 'JBSW 密')
  assert.equal(unseal('secret', 'totp', sealed), 'JBSW 密')
  assert.ok(!Buffer.from(sealed, 'base64url').includes('JBSW'))
  assert.notEqual(seal('secret', 'totp', 'JBSW 密'), sealed)
  assert.throws(() => unseal('other', 'totp', sealed))
  assert.throws(() => unseal('secret', 'other', sealed))
  assert.throws(() => unseal('secret', 'totp', `A${sealed.slice(1)}`))
})
