import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paced } from './event-trigger.ts'

test('what one trigger leads to is made at once up to a burst, and then a hundred times a second', () => {
  const now = new Date('2026-01-01T00:00:00Z')
  const first = paced(now, 1000, now)
  assert.ok(first.dueAt.every((due) => due.getTime() === now.getTime()))
  const { dueAt, pacedTo } = paced(first.pacedTo, 500, now)
  assert.equal(dueAt.at(-1)!.getTime() - now.getTime(), 5000)
  assert.equal(pacedTo.getTime() - now.getTime(), 15_000)
  const later = new Date(now.getTime() + 60_000)
  assert.equal(paced(pacedTo, 1, later).dueAt[0]!.getTime(), later.getTime())
})
