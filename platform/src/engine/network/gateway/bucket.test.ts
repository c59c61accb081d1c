import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bucket } from './bucket.ts'

test('Bucket asks to wait for as long as its rate needs for what was taken, and not without a rate', () => {
  const bucket = new Bucket()
  assert.equal(bucket.take(1e9), 0)
  bucket.bytesPerSecond = 1e6
  const first = bucket.take(2e6)
  assert.ok(first > 1800 && first <= 2000, String(first))
  // Who comes second waits for the first as well.
  assert.ok(bucket.take(1e6) > 2800)
})
