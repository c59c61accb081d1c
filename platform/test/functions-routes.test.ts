import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startPlatform } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })
const deploy = (name: string, source: string, settings: object = {}, more: object = {}) =>
  platform.json('PUT', `/v1/functions/${name}`, {
    runtime: 'node24',
    files: { 'index.js': Buffer.from(source).toString('base64') },
    settings,
    ...more,
  })
const create = (path: string, name: string, more: object = {}) =>
  platform.call('POST', '/v1/routes', { path, function: name, ...more })
const lambda = (
  name: string,
) => `exports.handler = async ({ routeKey, rawPath, pathParameters, requestContext }, context) =>
  ['${name}', routeKey, rawPath, pathParameters, requestContext.routeKey === routeKey, context.params]`
const ask = async (method: string, path: string) => (await platform.call(method, `/r/org0${path}`)).json()

await deploy('orders', lambda('orders'))
await deploy('new', lambda('new'))
await deploy(
  'rest',
  `export default async (request, { params }) => Response.json([request.method, new URL(request.url).pathname, params])`,
)

test('a request goes to the function of the most specific route, with its parameters', async () => {
  const made = await (await create('/orders/{id}', 'orders', { method: 'GET' })).json()
  assert.match(made.url, /\/r\/org0\/orders\/\{id\}$/)
  assert.equal((await create('/orders/new', 'new', { method: 'GET' })).status, 201)
  assert.equal((await create('/{all+}', 'rest')).status, 201)
  assert.deepEqual(await ask('GET', '/orders/a%2Fb?x=1'), [
    ...['orders', 'GET /orders/{id}', '/orders/a%2Fb'],
    ...[{ id: 'a/b' }, true, { id: 'a/b' }],
  ])
  assert.equal((await ask('GET', '/orders/new'))[0], 'new')
  assert.deepEqual(await ask('DELETE', '/orders/7'), ['DELETE', '/orders/7', { all: 'orders/7' }])
  const { routes } = await platform.json('GET', '/v1/routes')
  assert.deepEqual(
    routes.map(({ method, path }: { method: string; path: string }) => `${method} ${path}`),
    ['GET /orders/new', 'GET /orders/{id}', '* /{all+}'],
  )
  assert.equal((await platform.call('DELETE', `/v1/routes/${routes[2].id}`)).status, 204)
  assert.equal((await platform.call('DELETE', `/v1/routes/${routes[2].id}`)).status, 404)
  const other = await platform.call('DELETE', '/r/org0/orders/7')
  assert.deepEqual([other.status, other.headers.get('allow')], [405, 'GET'])
  assert.equal((await platform.call('GET', '/r/org0/nothing/here')).status, 404)
})

test('a second route for the same requests is a conflict, and what is none is refused', async () => {
  const second = await create('/orders/{number}', 'new', { method: 'GET' })
  assert.deepEqual([second.status, (await second.json()).code], [409, 'conflict'])
  const both = await Promise.all([create('/same/{a}', 'new'), create('/same/{b}', 'orders')])
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409])
  assert.equal((await create('/orders/{id}', 'none')).status, 404)
  assert.equal((await create('/missing', 'new', { version: 'nothing' })).status, 404)
  for (const [path, more] of [
    ['orders', {}],
    ['/a/{b+}/c', {}],
    ['/a', { method: 'HEAD' }],
    ['/a', { more: 1 }],
  ] as const)
    assert.equal((await create(path, 'new', more)).status, 400, path)
})

test('without a key a route answers only where each version that it may go to is public', async () => {
  const status = async (path: string) => (await platform.fetch(path)).status
  await deploy('shown', 'export default () => new Response("one")', { public: true })
  await create('/shown', 'shown')
  await create('/first', 'shown', { version: '1' })
  const { id } = await platform.json('GET', '/v1/functions/shown')
  for (const path of ['/r/org0/shown', '/r/org0/first', `/f/${id}/`]) assert.equal(await status(path), 200, path)
  assert.equal(await status('/r/org0/orders/7'), 401)
  assert.equal(await status('/r/org0/nothing'), 404)
  assert.equal(await status('/r/nobody/shown'), 404)
  // What was public once is not for ever.
  await deploy('shown', 'export default () => new Response("two")', { public: false })
  for (const path of ['/r/org0/shown', `/f/${id}/`]) assert.equal(await status(path), 401, path)
  assert.equal(await status('/r/org0/first'), 200)
  const split = [
    { version: 1, weight: 50 },
    { version: 2, weight: 50 },
  ]
  await platform.json('PUT', '/v1/functions/shown/live', { targets: split })
  assert.equal(await status('/r/org0/shown'), 401)
  // A stranger's key opens nothing of others.
  const org = (await platform.json('POST', '/v1/orgs', { name: 'other' })).id
  const asOther = { headers: { 'warren-organisation': org } }
  const { key } = await (await platform.call('POST', '/v1/keys', { name: 'theirs' }, asOther)).json()
  const theirs = { headers: { 'x-api-key': key } }
  assert.equal((await platform.call('GET', '/v1/routes', undefined, theirs)).status, 200)
  assert.equal((await platform.call('GET', '/r/org0/orders/7', undefined, theirs)).status, 404)
})

test('an answer is streamed, a WebSocket is refused with the reason, and a route goes with its function', async () => {
  await deploy(
    'stream',
    `export default () => new Response(new ReadableStream({
      async start(stream) {
        stream.enqueue('one ')
        await new Promise((done) => { globalThis.go = done })
        stream.enqueue('two'); stream.close()
      } }))
    `,
    { public: true },
  )
  await create('/stream', 'stream')
  const answer = await platform.fetch('/r/org0/stream')
  const reader = answer.body!.getReader()
  // The rest never comes: what was sent is here before the end.
  assert.equal(Buffer.from((await reader.read()).value!).toString(), 'one ')
  await reader.cancel()
  const socket = connect(platform.port, '127.0.0.1')
  socket.end(
    'GET /r/org0/stream HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n' +
      'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  let text = ''
  socket.on('data', (data) => (text += data))
  await once(socket, 'close')
  assert.match(text, /^HTTP\/1\.1 400 [\s\S]*take no WebSockets/)
  assert.equal((await platform.call('DELETE', '/v1/functions/stream')).status, 204)
  const { routes } = await platform.json('GET', '/v1/routes')
  assert.ok(!routes.some(({ path }: { path: string }) => path === '/stream'))
  assert.ok([404, 401].includes((await platform.fetch('/r/org0/stream')).status))
})

test('routes of Python functions have their parameters in the event', async () => {
  const files = {
    'main.py': Buffer.from(
      `def handler(event, context):\n    return [event['routeKey'], event['pathParameters']]\n`,
    ).toString('base64'),
  }
  await platform.json('PUT', '/v1/functions/python', { runtime: 'python3', files })
  await create('/python/{name}', 'python')
  assert.deepEqual(await ask('PUT', '/python/gr%C3%BCn'), ['ANY /python/{name}', { name: 'grün' }])
})
