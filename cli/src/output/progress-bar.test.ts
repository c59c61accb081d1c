import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progressBar } from './progress-bar.ts'

test('a bar is empty at the beginning and full at the end, also of nothing', () => {
  const mb = 1024 * 1024
  assert.equal(progressBar(0, 48 * mb), `[${'·'.repeat(24)}] 0 of 48 MiB`)
  assert.equal(progressBar(12 * mb, 48 * mb), `[${'#'.repeat(6)}${'·'.repeat(18)}] 12 of 48 MiB`)
  assert.equal(progressBar(48 * mb, 48 * mb), `[${'#'.repeat(24)}] 48 of 48 MiB`)
  assert.equal(progressBar(0, 0), `[${'#'.repeat(24)}] 0 of 0 MiB`)
})
