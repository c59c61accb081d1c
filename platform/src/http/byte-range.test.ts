import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteRange } from './byte-range.ts'

test('a range is cut to the file, from either end', () => {
  assert.deepEqual(byteRange('bytes=0-9', 100), { offset: 0, length: 10 })
  assert.deepEqual(byteRange('bytes=90-', 100), { offset: 90, length: 10 })
  assert.deepEqual(byteRange('bytes=90-1000', 100), { offset: 90, length: 10 })
  assert.deepEqual(byteRange('bytes=-5', 100), { offset: 95, length: 5 })
  assert.deepEqual(byteRange('bytes=-500', 100), { offset: 0, length: 100 })
})

test('no range, several ranges and nonsense mean the whole file', () => {
  for (const header of [undefined, '', 'bytes=-', 'bytes=5-4', 'bytes=0-1,5-6', 'lines=1-2', 'bytes=a-b']) {
    assert.equal(byteRange(header, 100), undefined)
  }
})

test('a range beyond the end is an error that names both', () => {
  assert.throws(() => byteRange('bytes=100-', 100), /begins beyond the 100 bytes/)
})
