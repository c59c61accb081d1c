import assert from 'node:assert/strict'
import { test } from 'node:test'
import { displayWidth } from './display-width.ts'

test('Latin characters take one column, Chinese ones two', () => {
  assert.equal(displayWidth('warren'), 6)
  assert.equal(displayWidth('沙箱'), 4)
  assert.equal(displayWidth('沙箱 a，'), 8)
})

test('a combined character and an emoji made of several count once', () => {
  assert.equal(displayWidth('e\u0301'), 1)
  assert.equal(displayWidth('👩‍💻'), 2)
})
