import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authorizeEcr, signAws } from './ecr.ts'

test("a request is signed as in AWS's own test suite", () => {
  const key = {
    awsAccessKeyId: 'AKIDEXAMPLE',
    awsSecretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    awsRegion: 'us-east-1',
  }
  const url = new URL('https://example.amazonaws.com/')
  const at = new Date('2015-08-30T12:36:00Z')
  const { authorization } = signAws(key, { service: 'service', method: 'GET', url, headers: {}, body: '', at })
  assert.equal(
    authorization,
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, ' +
      'Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  )
})

test('a region that would lead elsewhere is refused', async () => {
  const key = { awsAccessKeyId: 'a', awsSecretAccessKey: 'b', awsRegion: 'evil.com/#' }
  await assert.rejects(authorizeEcr(key, { open: [], insecure: [] }), { code: 'invalid_request' })
})
