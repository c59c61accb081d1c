import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Circuit } from './circuit.ts'

test('a circuit opens after failures in a row, lets one try through when its time is over, and closes when that succeeds', () => {
  let nowMs = 0
  const circuit = new Circuit({ failures: 3, openMs: 5_000, nowMs: () => nowMs })
  for (const call of [1, 2]) {
    assert.ok(circuit.allows(), `${call}`)
    circuit.failed()
  }
  circuit.succeeded() // not in a row any more
  for (const call of [1, 2, 3]) {
    assert.ok(circuit.allows(), `${call}`)
    circuit.failed()
  }
  assert.equal(circuit.allows(), false)
  assert.equal(circuit.isOpen, true)
  nowMs = 2_500
  assert.equal(circuit.retryAfterSeconds, 3)

  nowMs = 5_000
  assert.ok(circuit.allows(), 'one try')
  assert.equal(circuit.allows(), false, 'and no other one meanwhile')
  circuit.failed()
  nowMs = 9_999
  assert.equal(circuit.allows(), false, 'it failed: as long again')
  nowMs = 10_000
  assert.ok(circuit.allows())
  circuit.succeeded()
  assert.ok(circuit.allows() && circuit.allows())
  assert.equal(circuit.isOpen, false)
})

test('a try of which nothing is told again is followed by another one', () => {
  let nowMs = 0
  const circuit = new Circuit({ failures: 1, openMs: 1_000, nowMs: () => nowMs })
  circuit.failed()
  nowMs = 1_000
  assert.ok(circuit.allows())
  nowMs = 2_000
  assert.ok(circuit.allows())
})
