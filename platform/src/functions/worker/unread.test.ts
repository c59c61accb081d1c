import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Unread, windowBytes } from './unread.ts'

const pieceBytes = 64 * 1024
const never = new Promise<void>(() => {})

function opened() {
  const granted: [number, number][] = []
  return { granted, unread: new Unread({ grant: (...grant) => void granted.push(grant), onChange: () => {} }) }
}

test('a call gets room for what was read of it, in few words, and for no more', async () => {
  const { granted, unread } = opened()
  for (let at = 0; at < 4; at++) unread.wrote(1, pieceBytes, undefined)
  assert.deepEqual(granted, [
    [1, windowBytes / 2],
    [1, windowBytes / 2],
  ])
  const { promise: room, resolve } = Promise.withResolvers<void>()
  for (let at = 0; at < 4; at++) unread.wrote(1, pieceBytes, room)
  assert.equal(granted.length, 2)
  resolve()
  await room
  assert.deepEqual(granted.at(-1), [1, windowBytes])
  for (let at = 0; at < 4; at++) unread.wrote(1, pieceBytes, never)
  assert.equal(granted.length, 3)
})

test('a program that keeps to that is heard, however many of its readers are slow; one that does not is not, until it is read', async () => {
  const { unread } = opened()
  const send = (call: number, room: Promise<void>) => {
    for (let bytes = 0; bytes <= windowBytes; bytes += pieceBytes) unread.wrote(call, pieceBytes, room)
  }
  for (let call = 0; call < 100; call++) send(call, never)
  assert.equal(unread.isFull, false)
  const { promise: room, resolve } = Promise.withResolvers<void>()
  send(100, room)
  for (const call of [99, 100]) unread.wrote(call, pieceBytes, room)
  assert.equal(unread.isFull, true)
  resolve()
  await room
  assert.equal(unread.isFull, true, 'another reads nothing')
  unread.forget(99)
  assert.equal(unread.isFull, false)
})
