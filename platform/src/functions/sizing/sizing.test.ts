import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EndedCall } from '../invocations/record.ts'
import { Sizing } from './sizing.ts'
import { Sketch } from './sketch.ts'

const call = (more: Partial<EndedCall>): EndedCall =>
  ({ functionId: 'f', version: 1, memoryMb: 256, billedMs: 100, cpuMs: 10, peakMb: 60, ...more }) as EndedCall

test('a quantile is not below the true one, at most a fifth above it, and the highest value is exact', () => {
  const sketch = new Sketch(16)
  const values = Array.from({ length: 100_000 }, (_, at) => 20 + (at % 1000))
  for (const value of values) sketch.add(value)
  for (const part of [0.5, 0.95, 0.99]) {
    const truth = 20 + part * 1000
    const read = sketch.quantile(part)
    assert.ok(read >= truth - 1 && read <= truth * 1.2, `${part}: ${read}`)
  }
  assert.deepEqual([sketch.max, sketch.quantile(1), new Sketch(1).quantile(0.5)], [1019, 1019, 0])
})

test('what is suggested is never below what was used and a quarter more, and comes with enough calls', () => {
  const sizing = new Sizing()
  sizing.add(Array.from({ length: 19 }, () => call({})))
  assert.equal(sizing.of('f', 1)?.suggestion, undefined)
  sizing.add([call({ peakMb: 100 })])
  assert.deepEqual(sizing.of('f', 1)?.suggestion, { memoryMb: 128, cpuCores: 0.15 })
  const asked = { version: 1, memoryMb: 256 }
  assert.equal(sizing.better('f', asked), undefined, 'not sure yet')
  sizing.add(Array.from({ length: 80 }, () => call({})))
  assert.equal(sizing.better('f', asked), 128)
  assert.equal(sizing.better('f', { ...asked, memoryMb: 144 }), undefined, 'not worth it')
  assert.equal(sizing.better('f', { ...asked, memoryMb: 96 }), undefined, 'it was enough')
})

test('what had too little memory gets more at once, and no later version goes back to that', () => {
  const sizing = new Sizing()
  const failure = { reason: 'out_of_memory', message: '' } as const
  sizing.add([call({ failure, memoryMb: 128, peakMb: 128 })])
  assert.equal(sizing.better('f', { version: 1, memoryMb: 128 }), 192)
  sizing.passOn('f', 1, 2)
  sizing.add(Array.from({ length: 200 }, () => call({ version: 2, peakMb: 50 })))
  assert.equal(sizing.of('f', 2)?.suggestion?.memoryMb, 192)
  assert.equal(sizing.better('f', { version: 2, memoryMb: 512 }), 192)
  assert.equal(sizing.of('f', 1), undefined)
})
