import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })

const source = `let running = 0, cancelled = 0
exports.handler = async (event, context) => {
  if (event.how === 'throw') throw new TypeError('no good')
  if (event.how === 'pieces') return (async function* () { yield 'one '; yield 'two' })()
  if (event.how === 'count') return { running, cancelled }
  if (event.how === 'wait') {
    running++
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
    cancelled++
  }
  return { hello: event.name }
}`
await platform.json('PUT', '/v1/functions/plain', {
  runtime: 'node24',
  files: { 'index.js': Buffer.from(source).toString('base64') },
  settings: { concurrency: 8 },
})

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

/** One connection that is kept, whose requests have nothing to them but what is written here. */
async function connect() {
  const socket = net.connect(platform.port, '127.0.0.1')
  await once(socket, 'connect')
  let heard = ''
  socket.setEncoding('utf8').on('data', (text) => {
    heard += text
  })
  const send = (body: string, { name = 'plain', key = platform.key, more = [] as string[] } = {}) =>
    socket.write(
      [
        `POST /v1/functions/${name}/invoke HTTP/1.1`,
        `host: 127.0.0.1:${platform.port}`,
        `x-api-key: ${key}`,
        `content-length: ${Buffer.byteLength(body)}`,
        ...more,
        '',
        body,
      ].join('\r\n'),
    )
  const hear = async (): Promise<Answer> => {
    for (;;) {
      const [head = '', ...rest] = heard.split('\r\n\r\n')
      const body = rest.join('\r\n\r\n')
      const headers = Object.fromEntries(
        head
          .split('\r\n')
          .slice(1)
          .map((line) => line.split(/: */, 2).map((part) => part.toLowerCase()) as [string, string]),
      )
      const isWhole =
        headers['transfer-encoding'] === 'chunked'
          ? body.endsWith('0\r\n\r\n')
          : body.length >= Number(headers['content-length'])
      if (rest.length > 0 && isWhole) {
        heard = ''
        return { status: Number(head.slice(9, 12)), headers, body }
      }
      await once(socket, 'data')
    }
  }
  return {
    socket,
    call: (body: string, options?: Parameters<typeof send>[1]) => {
      send(body, options)
      return hear()
    },
    send,
  }
}

test('plain calls have the same answers as by the route, and their connection can go on with something else', async () => {
  const { call, socket } = await connect()
  // A header that makes a call more than plain, and changes nothing else.
  const other = { more: ['origin: http://elsewhere'] }
  for (const [body, options] of [
    ['{"name":"Ada"}', {}],
    ['{"how":"throw"}', {}],
    ['{"how":"pieces"}', {}],
    ['{not json', {}],
    ['{}', { key: 'wrong' }],
    ['{}', { name: 'nobody' }],
  ] as const) {
    // The route ends a connection whose body it refused to read.
    const byRoute = await connect()
    const [plain, routed] = [await call(body, options), await byRoute.call(body, { ...options, ...other })]
    byRoute.socket.destroy()
    assert.equal(plain.status, routed.status, body)
    const names = ({ headers }: Answer) =>
      Object.keys(headers).filter((name) => !/^(vary|access-control|x-warren-cold|keep-alive)/.test(name))
    assert.deepEqual(names(plain).toSorted(), names(routed).toSorted(), body)
    const same = ({ headers, body }: Answer) => {
      const text = body.replace(/\b[rc][a-z0-9]{20}\b/g, 'ID')
      return headers['transfer-encoding'] ? text : JSON.parse(text)
    }
    assert.deepEqual(same(plain), same(routed))
    assert.match(plain.headers['x-request-id']!, /^r[a-z0-9]{20}$/)
  }
  socket.write(`GET /v1/functions HTTP/1.1\r\nhost: a\r\nx-api-key: ${platform.key}\r\nconnection: close\r\n\r\n`)
  let text = ''
  socket.on('data', (piece) => {
    text += piece
  })
  await once(socket, 'close')
  assert.match(text, /^HTTP\/1\.1 200 OK[\s\S]*"name":"plain"/)
})

test('plain calls are counted, recorded and told their rates like all others', async () => {
  const { call, socket } = await connect()
  const { counts: before } = await platform.json('GET', '/v1/functions/plain')
  const called = await Promise.all([1, 2, 3].map(async () => (await connect()).call('{"name":"Bo"}')))
  const one = await call('{"name":"Cy"}')
  for (const answer of [...called, one]) {
    const found = await platform.json('GET', `/v1/functions/plain/invocations/${answer.headers['x-warren-invocation']}`)
    assert.deepEqual([found.state, found.trigger, found.billedMs >= 1], ['succeeded', 'http', true])
    assert.ok(Number(answer.headers['ratelimit-remaining']) >= 0)
  }
  const { counts } = await platform.json('GET', '/v1/functions/plain')
  assert.equal(counts.invocations, before.invocations + 4)
  const metrics = await (await platform.call('GET', '/metrics')).text()
  assert.match(
    metrics,
    /http_request_duration_seconds_count\{method="POST",route="\/v1\/functions\/:name\/invoke",status="200"\} \d+/,
  )
  socket.destroy()
})

test('a call whose plain connection ends is cancelled', async () => {
  const { send, socket } = await connect()
  const looking = await connect()
  const counts = async () => JSON.parse((await looking.call('{"how":"count"}')).body)
  send('{"how":"wait"}')
  await until('the call runs', async () => (await counts()).running === 1)
  socket.destroy()
  await until('it is cancelled', async () => (await counts()).cancelled === 1)
  looking.socket.destroy()
})
