import assert from 'node:assert/strict'
import { test } from 'node:test'
import { billingChaos } from './billing/chaos.ts'
import { openTestDatabase } from './test-database.ts'

test('what works with money is killed again and again, and nothing is off by the smallest unit', async (t) => {
  const db = await openTestDatabase(t)
  const found = await billingChaos(db, { kills: 4 })
  assert.deepEqual(found.differences, [])
  assert.equal(found.difference, 0)
  assert.ok(found.facts > 0 && found.invoices > 0 && found.postings > 0, JSON.stringify(found))
})
