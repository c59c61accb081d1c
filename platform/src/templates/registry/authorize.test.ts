import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChallenge } from './authorize.ts'

test('challenges of registries are read', () => {
  assert.deepEqual(
    parseChallenge(
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull,push"',
    ),
    {
      scheme: 'bearer',
      realm: 'https://auth.docker.io/token',
      service: 'registry.docker.io',
      scope: 'repository:library/x:pull,push',
    },
  )
  assert.deepEqual(parseChallenge('bearer realm=https://a/t'), {
    scheme: 'bearer',
    realm: 'https://a/t',
    service: undefined,
    scope: undefined,
  })
  assert.deepEqual(parseChallenge('Basic realm="x"'), { scheme: 'basic' })
  for (const other of [undefined, '', 'Negotiate', 'Bearer', 'Bearer service="x"'])
    assert.equal(parseChallenge(other), undefined)
})
