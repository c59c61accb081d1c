import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunkFromEvent } from './output-chunk.ts'

test('text keeps its bytes, so that the next offset is right', () => {
  const chunk = chunkFromEvent('stdout', { data: '沙箱', offset: 3 })
  assert.deepEqual(chunk, { stream: 'stdout', offset: 3, bytes: new TextEncoder().encode('沙箱'), text: '沙箱' })
})

test('bytes that are not UTF-8 arrive unharmed', () => {
  const chunk = chunkFromEvent('stderr', { data: '/wA=', offset: 0, encoding: 'base64' })
  assert.deepEqual(chunk?.bytes, Uint8Array.of(255, 0))
  assert.equal(chunk?.text, '\ufffd\0')
})

test('other events are no output', () => {
  assert.equal(chunkFromEvent('exit', { exitCode: 0 }), undefined)
})
