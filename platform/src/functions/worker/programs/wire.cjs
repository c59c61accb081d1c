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

let parts = []
let bytes = 0
let needed = 9

function receive(data, take) {
  parts.push(data)
  bytes += data.length
  // Code comes in many pieces: they are put together once.
  if (bytes < needed) return
  let buffer = parts.length === 1 ? data : Buffer.concat(parts)
  needed = 9
  while (buffer.length >= 9) {
    const length = buffer.readUInt32BE(0)
    if (buffer.length < 4 + length) {
      needed = 4 + length
      break
    }
    take(buffer[4], buffer.readUInt32BE(5), buffer.subarray(9, 4 + length))
    buffer = buffer.subarray(4 + length)
  }
  parts = buffer.length > 0 ? [buffer] : []
  bytes = buffer.length
}

function headed(payload) {
  const length = payload.readUInt32BE(0)
  return { head: JSON.parse(payload.toString('utf8', 4, 4 + length)), body: payload.subarray(4 + length) }
}

/** Listens to the platform. */
function serve(take) {
  socket = new net.Socket({ fd: linkDescriptor, readable: true, writable: true })
  socket.on('data', (data) => receive(data, take))
  socket.on('error', () => process.exit(1))
  socket.on('close', () => process.exit(0))
  fs.writeSync(1, 'ready\n')
}

module.exports = { kind, send, flush, drained, headed, serve }
