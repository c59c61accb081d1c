// Says it is a browser, and speaks nonsense: node browser-impostor.mjs KIND
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import http from 'node:http'

const kind = process.argv[2]
const folder = `${process.env.HOME}/.warren-browser`

function frame(payload) {
  const head = Buffer.alloc(10)
  head[0] = 0x81
  head[1] = 127
  head.writeBigUInt64BE(BigInt(payload.length), 2)
  return Buffer.concat([head, payload])
}

const nonsense = {
  words: () => frame(Buffer.from('{"id": {}, "result": [')),
  types: () =>
    Buffer.concat(
      [
        null,
        7,
        [],
        { id: 1, result: 'text' },
        { id: 1, error: 5 },
        { method: 'x', params: null, sessionId: {} },
        { method: 'error' },
      ].map((one) => frame(Buffer.from(JSON.stringify(one)))),
    ),
  bytes: () => Buffer.from('f8ffffffffffff', 'hex'),
  large: () => frame(Buffer.alloc(40 * 1024 * 1024, 0x20)).subarray(0, 100),
}

const server = http.createServer((_, response) => response.end('no browser'))
server.on('upgrade', (request, socket) => {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  socket.on('error', () => {})
  if (kind === 'http') return socket.end('HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  socket.on('data', () => socket.write(nonsense[kind]()))
})
server.listen(0, '127.0.0.1', () => {
  mkdirSync(folder, { recursive: true })
  const said = kind === 'file' ? '../../etc\n%00' : `${server.address().port}\n/devtools/browser/none`
  writeFileSync(`${folder}/DevToolsActivePort`, said)
})
