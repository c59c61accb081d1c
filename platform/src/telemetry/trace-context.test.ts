import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from './logger.ts'
import { continueTrace, currentTrace, headerOf, inTrace } from './trace-context.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const given = `00-${traceId}-00f067aa0ba902b7-01`

test('continueTrace() keeps the trace and has a part of its own', () => {
  const context = continueTrace(given)!
  assert.deepEqual([context.traceId, context.flags], [traceId, '01'])
  assert.match(context.spanId, /^(?!00f067aa0ba902b7)[0-9a-f]{16}$/)
  assert.equal(headerOf(context), `00-${traceId}-${context.spanId}-01`)
  assert.equal(continueTrace(`cc-${traceId}-00f067aa0ba902b7-01-what-comes`)?.traceId, traceId)
})

test('continueTrace() takes nothing that is not of the form', () => {
  for (const wrong of [
    undefined,
    '',
    'x',
    `ff-${traceId}-00f067aa0ba902b7-01`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-00f067aa0ba902b7-01`,
    `${given}-more`,
    `${given}\n`.repeat(2),
  ])
    assert.equal(continueTrace(wrong), undefined, wrong)
})

test('inTrace() puts the ids into every line of what runs in it, and into no other', async () => {
  const lines: string[] = []
  const logger = createLogger('info', { write: (line) => lines.push(line) }, false)
  const context = continueTrace(given)!
  const inside = inTrace(context, async () => {
    await sleep(1)
    logger.info('inside')
  })
  logger.info('outside')
  await inside
  const [outside, logged] = lines.map((line) => JSON.parse(line))
  assert.equal(outside.trace_id, undefined)
  assert.deepEqual([logged.msg, logged.trace_id, logged.span_id], ['inside', traceId, context.spanId])
  assert.equal(currentTrace(), undefined)
})
