import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startPlatform } from './platform.ts'

// All of it comes from this machine; what tells the network is what a proxy adds.
const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_PLAIN_HTTP: 'redirect',
  WARREN_TRUSTED_PROXIES: '127.0.0.1',
})
const open = { 'x-forwarded-for': '203.0.113.1', 'x-forwarded-proto': 'http' }
const key = { 'x-api-key': platform.key }

test('what comes without TLS is led to https or refused, at every door; what a trusted proxy took by https is answered', async () => {
  assert.equal((await platform.call('GET', '/v1/sandboxes')).status, 200, 'from this machine')
  const secured = await platform.fetch('/v1/sandboxes', { headers: { ...key, ...open, 'x-forwarded-proto': 'https' } })
  assert.equal(secured.status, 200)

  const led = await platform.fetch('/openapi.json?a=1', { headers: open, redirect: 'manual' })
  assert.deepEqual(
    [led.status, led.headers.get('location')],
    [308, `https://127.0.0.1:${platform.port}/openapi.json?a=1`],
  )
  const withKey = await platform.fetch('/v1/sandboxes', { headers: { ...key, ...open }, redirect: 'manual' })
  const told = await withKey.json()
  assert.deepEqual([withKey.status, told.code], [403, 'forbidden'])
  assert.match(told.hint, /revoke it/)
  assert.equal(withKey.headers.get('x-request-id'), told.requestId)

  const inside = { 'e2b-sandbox-id': 's0', 'e2b-sandbox-port': '49983', 'x-access-token': 'a' }
  for (const [path, init] of [
    ['/v1/sandboxes', { method: 'POST', body: '{}' }],
    ['/v1/functions/hello/invoke', { method: 'POST', body: '{}' }],
    ['/h/h0/token', { method: 'POST', body: '{}' }],
    ['/metrics', { headers: inside }],
    ['/mcp', { method: 'POST', body: '{}' }],
    ['/warren.v1.SandboxService/GetSandbox', { method: 'POST', body: '{}' }],
  ] as [string, RequestInit][]) {
    const reply = await platform.fetch(path, { ...init, headers: { ...init.headers, ...open }, redirect: 'manual' })
    assert.deepEqual(
      [reply.status, (await reply.json()).message],
      [403, 'this platform is reached by https alone'],
      path,
    )
  }
  assert.equal((await platform.fetch('/health', { headers: open })).status, 200, 'probes are answered')

  const socket = new WebSocket(`ws://127.0.0.1:${platform.port}/v1/sandboxes/s0/terminal`, {
    headers: { ...key, ...open },
  })
  const [, refused] = await once(socket, 'unexpected-response')
  assert.equal(refused.statusCode, 403)
  socket.on('error', () => {})
  socket.terminate()

  const session = http2.connect(platform.url)
  const stream = session.request({ ':path': '/v1/sandboxes', ...key, ...open })
  const [head] = await once(stream, 'response')
  assert.equal(head[':status'], 403)
  session.destroy()
})

test('a proxy that is not trusted is not believed; nothing is led anywhere where all is refused', async () => {
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_PLAIN_HTTP: 'refuse', WARREN_TRUSTED_PROXIES: '' })
  for (const headers of [open, { ...open, 'x-forwarded-proto': 'https' }, { forwarded: 'proto=https' }]) {
    const reply = await platform.fetch('/openapi.json', {
      headers: headers as Record<string, string>,
      redirect: 'manual',
    })
    assert.equal(reply.status, 403)
  }
  assert.equal((await platform.fetch('/openapi.json')).status, 200)
})
