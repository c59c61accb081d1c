import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalJWKSet, errors, jwtVerify } from 'jose'
import { IdentityTokens } from './identity-tokens.ts'

const at = (time: string, seed = 'a'.repeat(64)) =>
  new IdentityTokens({ seed, issuer: () => 'https://api.box.example/v1/identity', now: () => new Date(time) })
const bearer = { sandboxId: 's1', accountId: 'o1' }
const noon = '2030-01-01T12:00:00Z'
const audience = 'sts.amazonaws.com'

test('a token is checked with the key that is shown, and says whose it is', async () => {
  const tokens = at(noon)
  const keys = createLocalJWKSet(tokens.keys() as never)
  const options = { audience, issuer: 'https://api.box.example/v1/identity', currentDate: new Date(noon) }
  const { payload, protectedHeader } = await jwtVerify(tokens.mint(bearer, audience), keys, options)
  assert.equal(payload.sub, 'spiffe://api.box.example/organisation/o1/sandbox/s1')
  assert.equal(payload.exp! - payload.iat!, 3600)
  assert.deepEqual([protectedHeader.alg, protectedHeader.kid], ['ES256', tokens.keys().keys[0]!.kid])
  assert.notEqual(tokens.mint(bearer, audience), tokens.mint(bearer, audience))
})

test('it is for one audience, for an hour, and by this installation alone', async () => {
  const token = at(noon).mint(bearer, audience)
  const keys = createLocalJWKSet(at(noon).keys() as never)
  const check = (more: object, by = keys) => jwtVerify(token, by, { audience, currentDate: new Date(noon), ...more })
  await assert.rejects(check({ audience: 'other' }), errors.JWTClaimValidationFailed)
  await assert.rejects(check({ currentDate: new Date('2030-01-01T13:00:01Z') }), errors.JWTExpired)
  await assert.rejects(check({}, createLocalJWKSet(at(noon, 'b'.repeat(64)).keys() as never)), errors.JWKSNoMatchingKey)
})

test('the private half is not shown, and the same seed makes the same key', () => {
  const shown = at(noon).keys()
  assert.deepEqual(shown, at('2031-01-01T00:00:00Z').keys())
  assert.deepEqual(Object.keys(shown.keys[0]!).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})
