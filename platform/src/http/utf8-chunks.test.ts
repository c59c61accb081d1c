import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TextChunk, Utf8Chunks } from './utf8-chunks.ts'

test('text cut anywhere comes out whole, as text, with the offsets of its bytes', () => {
  const bytes = Buffer.from('aé€😀z'.repeat(20))
  for (let size = 1; size <= 7; size++) {
    const chunks = cut(bytes, size)
    assert.equal(chunks.map(({ data }) => data).join(''), bytes.toString())
    assert.ok(chunks.every(({ encoding }) => encoding === undefined))
    assertGapless(chunks, bytes.length)
  }
})

test('bytes that are no UTF-8 come out as base64, and none is lost', () => {
  const bytes = Buffer.from([0x61, 0xff, 0xfe, 0x80, 0x62, 0xe2, 0x82, 0xc3, 0x28, 0xf0, 0x9f])
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = cut(bytes, size)
    assert.deepEqual(Buffer.concat(chunks.map(bytesOf)), bytes)
    assertGapless(chunks, bytes.length)
  }
})

test('after a gap the half character before it is given out by itself', () => {
  const chunks = new Utf8Chunks()
  assert.deepEqual(chunks.push(0, Buffer.from([0x61, 0xe2])), [{ offset: 0, data: 'a' }])
  assert.deepEqual(chunks.push(100, Buffer.from('b')), [
    { offset: 1, data: '4g==', encoding: 'base64' },
    { offset: 100, data: 'b' },
  ])
})

function cut(bytes: Buffer, size: number): TextChunk[] {
  const chunks = new Utf8Chunks()
  const found: TextChunk[] = []
  for (let at = 0; at < bytes.length; at += size) found.push(...chunks.push(at, bytes.subarray(at, at + size)))
  return [...found, ...chunks.end()]
}

function bytesOf({ data, encoding }: TextChunk): Buffer {
  return Buffer.from(data, encoding ?? 'utf8')
}

function assertGapless(chunks: TextChunk[], length: number): void {
  let next = 0
  for (const chunk of chunks) {
    assert.equal(chunk.offset, next)
    next += bytesOf(chunk).length
  }
  assert.equal(next, length)
}
