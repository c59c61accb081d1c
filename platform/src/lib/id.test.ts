import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from './id.ts'

test('newId() makes distinct ids of the prefix and twenty lowercase letters and digits', () => {
  const ids = new Set(Array.from({ length: 1000 }, () => newId('s')))
  assert.equal(ids.size, 1000)
  for (const id of ids) assert.match(id, /^s[a-z0-9]{20}$/)
})
