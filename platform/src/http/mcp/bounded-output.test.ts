import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedOutput } from './bounded-output.ts'

test('what fits is given whole', () => {
  const output = new BoundedOutput(10)
  for (const piece of ['abc', 'defg', 'hij']) output.add(Buffer.from(piece))
  assert.deepEqual(output.end(), { text: 'abcdefghij', bytes: 10, omittedBytes: 0 })
})

test('of what does not fit the beginning and the end are given, and how much is missing', () => {
  const output = new BoundedOutput(10)
  for (let at = 0; at < 10_000; at++) output.add(Buffer.from(String(at % 10)))
  assert.deepEqual(output.end(), {
    text: '01234\n… 9990 bytes are left out here …\n56789',
    bytes: 10_000,
    omittedBytes: 9990,
  })
  const large = new BoundedOutput(10)
  large.add(Buffer.from(`begin${'x'.repeat(1000)}final`))
  assert.equal(large.end().text, 'begin\n… 1000 bytes are left out here …\nfinal')
})

test('no character is cut in two', () => {
  const output = new BoundedOutput(10)
  output.add(Buffer.from('好'.repeat(100)))
  const { text, bytes } = output.end()
  assert.equal(bytes, 300)
  assert.match(text, /^好\n… 290 bytes are left out here …\n好$/)
})
