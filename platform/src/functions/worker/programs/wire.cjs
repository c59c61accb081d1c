'use strict'
// The wire to the platform, before each program in JavaScript. Frames are `u32 length, u8 kind, u32 id, payload`; see
// worker/frames.ts, which is the other side and of which `kind` is.
const fs = require('node:fs')
const net = require('node:net')

/** The platform. */
const linkDescriptor = 3

let socket
let out = []
let flushes = false

function send(frameKind, id, payload) {
  const body = typeof payload === 'string' ? Buffer.from(payload) : (payload ?? Buffer.alloc(0))
  const head = Buffer.allocUnsafe(9)
  head.writeUInt32BE(body.length + 5, 0)
  head[4] = frameKind
  head.writeUInt32BE(id, 5)
  out.push(head, body)
  if (flushes) return
  flushes = true
  process.nextTick(flush)
}

function flush() {
  flushes = false
  const parts = out
  out = []
  if (!socket || parts.length === 0) return true
  return socket.write(parts.length === 1 ? parts[0] : Buffer.concat(parts))
}

const drained = () => (socket?.writableNeedDrain ? new Promise((resolve) => socket.once('drain', resolve)) : undefined)

/** What is read goes here first, and is asked of the system once. Its pages are taken as they are needed. */
const landing = Buffer.allocUnsafeSlow(256 * 1024)
/** The beginning of a frame whose length is not known yet. */
let rest = Buffer.alloc(0)
/** A frame of which more is to come. */
let awaited
let filled = 0

/** `data` is good until this returns. */
function receive(data, take) {
  if (awaited) {
    // Code comes in many pieces: each is put where it belongs at once.
    const count = data.copy(awaited, filled, 0)
    filled += count
    if (filled < awaited.length) return
    const frame = awaited
    awaited = undefined
    take(frame[4], frame.readUInt32BE(5), frame.subarray(9))
    if (count === data.length) return
    data = data.subarray(count)
  }
  let at = 0
  const frames = Buffer.concat([rest, data])
  while (frames.length - at >= 4) {
    const end = at + 4 + frames.readUInt32BE(at)
    if (end > frames.length) {
      awaited = Buffer.allocUnsafeSlow(end - at)
      filled = frames.copy(awaited, 0, at)
      at = frames.length
      break
    }
    take(frames[at + 4], frames.readUInt32BE(at + 5), frames.subarray(at + 9, end))
    at = end
  }
  rest = frames.subarray(at)
}

function headed(payload) {
  const length = payload.readUInt32BE(0)
  return { head: JSON.parse(payload.toString('utf8', 4, 4 + length)), body: payload.subarray(4 + length) }
}

/** Listens to the platform. */
function serve(take) {
  const onread = { buffer: landing, callback: (count) => receive(landing.subarray(0, count), take) }
  socket = new net.Socket({ fd: linkDescriptor, readable: true, writable: true, onread })
  socket.resume()
  socket.on('error', () => process.exit(1))
  socket.on('close', () => process.exit(0))
  fs.writeSync(1, 'ready\n')
}

module.exports = { kind, send, flush, drained, headed, serve }
