import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomHex } from './random-hex.ts'

test('randomHex() has as many bytes as were asked for, and none twice', () => {
  const seen = new Set<string>()
  // More than are drawn at once, and in lengths that do not divide that.
  for (let at = 0; at < 2000; at++) {
    const [long, short] = [randomHex(24), randomHex(7)]
    assert.match(long, /^[0-9a-f]{48}$/)
    assert.match(short, /^[0-9a-f]{14}$/)
    seen.add(long).add(short)
  }
  assert.equal(seen.size, 4000)
})
