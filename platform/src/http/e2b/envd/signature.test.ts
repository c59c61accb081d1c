import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SandboxTokens } from '../tokens.ts'
import { sandboxOfSignature, signatureFault, signatureOf, signedRequest } from './signature.ts'

const token = '0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0'
const request = { operation: 'read', path: 'hello.txt', username: 'user', signature: null, expiration: null } as const

test('a signature is what the clients make of path, operation, user and token', () => {
  assert.equal(signatureOf(request, token), 'v1_gUtH/s9YCJWgCizjfUxuWfhFE4QSydOWEIIvfLwDr6E')
})

test('a signature is of one path, one operation, one user and one time', () => {
  const expiration = '2000'
  const signature = signatureOf({ ...request, expiration }, token)
  const signed = { ...request, expiration, signature }
  const at = (seconds: number) => new Date(seconds * 1000)
  assert.equal(signatureFault(signed, token, at(2000)), undefined)
  assert.equal(signatureFault(signed, token, at(2001)), 'signature is already expired')
  assert.equal(signatureFault({ ...signed, signature: null }, token, at(1)), 'missing signature query parameter')
  for (const change of [{ path: 'other' }, { operation: 'write' }, { username: '' }, { expiration: '3000' }] as const)
    assert.equal(signatureFault({ ...signed, ...change }, token, at(1)), 'invalid signature')
  const endless = { ...request, expiration: 'never' }
  const never = { ...endless, signature: signatureOf(endless, token) }
  assert.equal(signatureFault(never, token, at(1)), 'signature is already expired')
})

test('the sandbox of a signature is the one whose token made it', () => {
  const tokens = new SandboxTokens('seed')
  const query = new URLSearchParams({ path: 'a' })
  query.set('signature', signatureOf(signedRequest('GET', query), tokens.access('s2')))
  assert.equal(sandboxOfSignature(signedRequest('GET', query), ['s1', 's2', 's3'], tokens), 's2')
  assert.equal(sandboxOfSignature(signedRequest('POST', query), ['s1', 's2', 's3'], tokens), undefined)
  assert.notEqual(tokens.access('s1'), tokens.traffic('s1'))
})
