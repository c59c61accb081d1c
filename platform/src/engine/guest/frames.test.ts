import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFields, encodeFrame, Fields, FrameReader, kind, maxFrameBytes } from './frames.ts'

test('frames come out whole however the bytes were cut', () => {
  const bytes = Buffer.concat([
    encodeFrame(1, Buffer.from('abc')),
    encodeFrame(2),
    encodeFrame(3, Buffer.alloc(1000, 7)),
  ])
  for (const size of [1, 3, 7, 4096]) {
    const reader = new FrameReader()
    const frames = []
    for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)))
    assert.deepEqual(
      frames.map((frame) => [frame.kind, frame.payload.length]),
      [
        [1, 3],
        [2, 0],
        [3, 1000],
      ],
    )
  }
})

test('what follows the frame that gives a pipe is raw, also where it looks like frames', () => {
  const raw = Buffer.concat([encodeFrame(1, Buffer.from('abc')), Buffer.from([0, 0, 0])])
  for (const size of [1, 3, 4096]) {
    const reader = new FrameReader(kind.ok)
    const bytes = Buffer.concat([encodeFrame(3), encodeFrame(kind.ok), raw])
    const frames = []
    for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)))
    assert.deepEqual(
      frames.map((frame) => frame.kind),
      [3, kind.ok],
    )
    assert.deepEqual(reader.rest(), raw)
  }
})

test('data comes in the pieces in which it arrives, and what follows it whole', () => {
  const content = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251))
  const bytes = Buffer.concat([
    encodeFrame(kind.ok, Buffer.from('stat')),
    encodeFrame(kind.data, content.subarray(0, 3000)),
    encodeFrame(kind.data),
    encodeFrame(kind.data, content.subarray(3000)),
    encodeFrame(kind.end),
  ])
  for (const size of [1, 4, 5, 777, 3010, 9000]) {
    const reader = new FrameReader()
    const frames = []
    for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)))
    const data = frames.filter((frame) => frame.kind === kind.data)
    assert.deepEqual(Buffer.concat(data.map(({ payload }) => payload)), content)
    assert.equal(frames[0]!.payload.toString(), 'stat')
    assert.equal(frames.at(-1)!.kind, kind.end)
    assert.equal(frames.length, data.length + 2)
    assert.equal(reader.rest().length, 0)
  }
  const long = encodeFrame(kind.data)
  long.writeUInt32BE(maxFrameBytes + 1)
  assert.throws(() => new FrameReader().push(long), RangeError)
})

test('a frame longer than allowed is refused, as is one of no length', () => {
  const long = Buffer.alloc(5)
  long.writeUInt32BE(maxFrameBytes + 1)
  assert.throws(() => new FrameReader().push(long), RangeError)
  assert.throws(() => new FrameReader().push(Buffer.alloc(5)), RangeError)
})

test('fields go both ways, repeated tags as lists, absent ones as undefined', () => {
  const fields = new Fields(
    encodeFields([
      [1, 'a'],
      [1, 'b'],
      [2, 42],
      [3, undefined],
      [4, Buffer.from([0xff])],
    ]),
  )
  assert.deepEqual(fields.list(1), ['a', 'b'])
  assert.equal(fields.number(2), 42)
  assert.equal(fields.text(3), undefined)
  assert.deepEqual(fields.bytes(4), Buffer.from([0xff]))
})

test('fields that a hostile guest has cut off or filled with nonsense do no harm', () => {
  assert.equal(new Fields(Buffer.from([1, 0xff, 0xff, 0xff, 0xff, 1])).text(1), undefined)
  assert.equal(new Fields(encodeFields([[1, 'NaN']])).number(1), undefined)
  assert.equal(new Fields(Buffer.from([1, 0])).text(1), undefined)
})
