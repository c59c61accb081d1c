import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes } from '../../../platform/src/errors.ts'
import { errorFromResponse, errorStatus } from './error.ts'

test('the codes and their statuses are the same as the server’s', () => {
  const served = Object.fromEntries(Object.entries(errorCodes).map(([code, { status }]) => [code, status]))
  assert.deepEqual(errorStatus, served)
})

test('an error of the server keeps its code, hint and request id', async () => {
  const body = { code: 'conflict', message: 'taken', hint: 'wait', requestId: 'r1' }
  const { code, message, hint, requestId, status } = await errorFromResponse(Response.json(body, { status: 409 }))
  assert.deepEqual({ code, message, hint, requestId, status }, { ...body, status: 409 })
})

test('an answer of something else on the way is told by its status', async () => {
  const error = await errorFromResponse(new Response('<html>bad gateway</html>', { status: 502 }))
  assert.equal(error.code, 'unavailable')
  assert.match(error.message, /502.*bad gateway/)
})
