import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printableLine } from './printable-line.ts'

test('a text of a stranger becomes one line that nothing is hidden in', () => {
  assert.equal(printableLine(' a\n\tb \u001b[2J\u202e\u200b\uFDD0 中文 ', 100), 'a b ?[2J??? 中文')
  assert.equal(printableLine('x'.repeat(1000), 10), `${'x'.repeat(10)}…`)
  // Not cut within a letter.
  assert.equal(printableLine('abc😀', 4), 'abc\uFFFD…')
})
