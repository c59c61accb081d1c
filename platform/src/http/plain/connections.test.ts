import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { GoneSignal } from '../../lib/gone-signal.ts'
import type { PlainAnswer } from './answer.ts'
import { PlainConnections, type PlainRequest } from './connections.ts'

type Serve = (request: PlainRequest, answer: PlainAnswer, gone: GoneSignal) => void

/** Answers plain requests for /plain by `serve`, and all others by a server of node's, which says so. */
async function start(t: TestContext, serve: Serve, { patienceMs = 60_000, isStopping = (): boolean => false } = {}) {
  const door = { takes: ({ url }: { url: string }) => url === '/plain', serve }
  const plain = new PlainConnections({ door, isStopping, patienceMs, idleMs: 60_000 })
  const server = http.createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    response.end(`node ${request.method} ${request.url} ${body}`)
  })
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) =>
    plain.take(socket, (handed) => {
      for (const listener of listeners) listener.call(server, handed)
    }),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    plain.close()
    server.close()
    server.closeAllConnections()
  })
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  let heard = ''
  socket.setEncoding('latin1').on('data', (text) => {
    heard += text
  })
  /** What was heard once that text, or the end, is in it. */
  const hear = async (text?: string) => {
    while (text === undefined ? !socket.readableEnded : !heard.includes(text))
      await Promise.race([once(socket, 'data'), once(socket, 'end'), once(socket, 'close')])
    return heard
  }
  return { socket, hear, plain }
}

const post = (path: string, body: string, ...more: string[]) =>
  [`POST ${path} HTTP/1.1`, 'host: here', `content-length: ${body.length}`, ...more, '', body].join('\r\n')
const echo: Serve = ({ body }, answer) => answer.setHeader('x-door', 'plain').end(`<${body}>`)

test('requests that come together are answered one after the other, and one that is not plain goes on with its connection', async (t) => {
  const begun: string[] = []
  const { socket, hear } = await start(t, ({ body }, answer) => {
    begun.push(`${body}`)
    setImmediate(() => {
      assert.equal(begun.at(-1), `${body}`, 'none begins before the one before is answered')
      answer.setHeader('content-length', body.length + 2).end(`<${body}>`)
    })
  })
  socket.write(post('/plain', 'one') + post('/plain', 'two') + post('/other', 'three') + post('/plain', 'four'))
  const heard = await hear('four')
  const place = (text: string) => heard.indexOf(text)
  assert.deepEqual(begun, ['one', 'two'], 'the connection is the server’s for good')
  assert.ok(place('<one>') < place('<two>') && place('<two>') < place('node POST /other three'))
  assert.ok(place('node POST /other three') < place('node POST /plain four'))
})

test('a body that comes later is waited for, in whatever pieces', async (t) => {
  const { socket, hear } = await start(t, echo)
  const text = post('/plain', 'a body in pieces')
  for (const [from, to] of [
    [0, text.length - 10],
    [text.length - 10, text.length - 1],
    [text.length - 1, text.length],
  ]) {
    socket.write(text.slice(from, to))
    await new Promise(setImmediate)
  }
  assert.match(await hear('<a body in pieces>'), /x-door: plain/)
})

test('a head in pieces, one without an end and a large body are for the server', async (t) => {
  const { socket, hear } = await start(t, echo)
  const text = post('/plain', 'x')
  socket.write(text.slice(0, 20))
  // The first piece is a read of its own.
  await new Promise((resolve) => setTimeout(resolve, 50))
  socket.write(text.slice(20))
  assert.match(await hear('node POST'), /node POST \/plain x/)
  const large = await start(t, echo)
  large.socket.write(post('/plain', 'y'.repeat(100_000)))
  assert.match(await large.hear('y'.repeat(100_000)), /node POST \/plain y/)
})

test('a body that does not come is the server’s to give up', async (t) => {
  const { socket, hear } = await start(t, echo, { patienceMs: 20 })
  socket.write(post('/plain', 'half').slice(0, -2))
  await new Promise((resolve) => setTimeout(resolve, 60))
  socket.write('lf')
  assert.match(await hear('half'), /node POST \/plain half/)
})

for (const [how, leave] of [
  ['has gone', (socket: Socket) => socket.destroy()],
  ['says no more', (socket: Socket) => socket.end()],
] as const)
  test(`who serves hears that the client ${how}, once`, async (t) => {
    let heard = 0
    const serving = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    const { socket } = await start(t, (_request, answer, signal) => {
      signal.addEventListener('abort', () => {
        heard++
        answer.end('to nobody')
        gone.resolve()
      })
      serving.resolve()
    })
    socket.write(post('/plain', 'x'))
    await serving.promise
    leave(socket)
    await gone.promise
    assert.equal(heard, 1)
  })

test('an answer in pieces goes in chunks, and a header of a function cannot make another one', async (t) => {
  const { socket, hear } = await start(t, (_request, answer) => {
    answer.setHeader('x-a', '1')
    assert.throws(() => answer.appendHeader('x-b', 'c\r\nx-evil: yes'), /no header/)
    assert.throws(() => answer.appendHeader('x b', 'c'), /no header/)
    answer.appendHeader('Set-Cookie', 'a=1')
    answer.appendHeader('set-cookie', 'b=2')
    answer.writeHead(201)
    answer.flushHeaders()
    answer.write(Buffer.from('hello'))
    answer.write(Buffer.alloc(0))
    answer.write(Buffer.from('!'))
    answer.end()
  })
  socket.write(post('/plain', ''))
  const heard = await hear('0\r\n\r\n')
  assert.match(heard, /^HTTP\/1\.1 201 Created\r\n/)
  assert.match(heard, /\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n/)
  assert.match(heard, /\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n$/)
  assert.doesNotMatch(heard, /evil/)
})

test('while the server stops an answer is the last of its connection', async (t) => {
  const { socket, hear } = await start(t, echo, { isStopping: () => true })
  socket.write(post('/plain', 'x'))
  assert.match(await hear(), /\r\nconnection: close\r\n/)
})
