import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isVersionAtLeast } from './version.ts'

test('isVersionAtLeast() compares the first major and minor as numbers; no version is none', () => {
  assert.equal(isVersionAtLeast('bubblewrap 0.8.0', [0, 8]), true)
  assert.equal(isVersionAtLeast('bubblewrap 0.11.0', [0, 8]), true)
  assert.equal(isVersionAtLeast('v22.6.0', [22, 7]), false)
  assert.equal(isVersionAtLeast('6.18.44-fc', [5, 14]), true)
  assert.equal(isVersionAtLeast('5.4.0-generic', [5, 14]), false)
  assert.equal(isVersionAtLeast('', [0, 1]), false)
})
