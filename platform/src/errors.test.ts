import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, statusOf, WarrenError } from './errors.ts'

test('a WarrenError carries its code, hint, details and cause', () => {
  const cause = new Error('underneath')
  const error = new WarrenError('not_found', 'no sandbox x', { hint: 'look', details: { id: 'x' }, cause })
  assert.deepEqual(
    [error.code, error.message, error.hint, error.details, error.cause],
    ['not_found', 'no sandbox x', 'look', { id: 'x' }, cause],
  )
})

test('every code has an HTTP status of its own', () => {
  const statuses = Object.values(errorCodes).map(({ status }) => status)
  assert.equal(new Set(statuses).size, statuses.length)
  assert.equal(statusOf('limit_exceeded'), 429)
})
