import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { WebSocket } from 'ws'
import { readConfig } from '../src/config.ts'
import { mintAuthority, mintCertificate } from '../src/lib/certificate.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const folder = await mkdtemp(join(tmpdir(), 'warren-tls-'))
const authority = mintAuthority('Warren test', { now: new Date() })
const pair = mintCertificate(authority, { names: ['here.example'], days: 2, now: new Date() })
await writeFile(join(folder, 'cert.pem'), pair.certificate)
await writeFile(join(folder, 'key.pem'), pair.key)

const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_TLS_CERT: join(folder, 'cert.pem'),
  WARREN_TLS_KEY: join(folder, 'key.pem'),
})
after(() => rm(folder, { recursive: true }))
const id = (await platform.sandbox({ timeout: 3600 })).split('/').at(-1)!
const token = (await platform.json('POST', `/v2/sandboxes/${id}/connect`, { timeout: 3600 }).catch(() => undefined))
  ?.envdAccessToken

test('TLS is spoken with a certificate alone, and the certificate without its key is refused at the start', async () => {
  const options = { host: '127.0.0.1', port: platform.port, servername: 'here.example', ca: authority.certificate }
  const [answer] = await once(https.get({ ...options, path: '/health' }), 'response')
  assert.equal(answer.statusCode, 200)
  answer.resume()
  assert.throws(() => readConfig({ WARREN_TLS_CERT: 'cert.pem' }), /WARREN_TLS_CERT and WARREN_TLS_KEY go together/)
})

test('an answer that would be the same as the one that is shown is a 304', async () => {
  for (const path of ['/openapi.json', '/v1/templates', '/v1/runtimes', `/v1/sandboxes/${id}`]) {
    const first = await platform.call('GET', path)
    const tag = first.headers.get('etag')!
    assert.match(tag, /^W\/"/, path)
    await first.arrayBuffer()
    const same = await platform.call('GET', path, undefined, { headers: { 'if-none-match': `"other", ${tag}` } })
    assert.deepEqual([same.status, (await same.arrayBuffer()).byteLength, same.headers.get('etag')], [304, 0, tag])
  }
  const path = `/v1/sandboxes/${id}`
  const before = (await platform.call('GET', path)).headers.get('etag')!
  await platform.json('POST', `${path}/timeout`, { timeout: 1800 })
  const changed = await platform.call('GET', path, undefined, { headers: { 'if-none-match': before } })
  assert.equal(changed.status, 200)
  const stranger = await platform.fetch(path, { headers: { 'if-none-match': '*' } })
  assert.equal(stranger.status, 401, 'who has no key learns nothing by a tag')
})

/** Each door that takes JSON, and how it is spoken to. */
const doors: { name: string; path: string; headers: Record<string, string> }[] = [
  { name: 'REST', path: '/v1/sandboxes', headers: { 'x-api-key': platform.key } },
  { name: 'E2B', path: '/v2/sandboxes', headers: { 'x-api-key': platform.key } },
  {
    name: 'inside',
    path: '/filesystem.Filesystem/Stat',
    headers: { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '49983', 'x-access-token': token ?? '' },
  },
  {
    name: 'interpreter',
    path: '/contexts',
    headers: { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '49999', 'x-access-token': token ?? '' },
  },
]
const count = async () => (await platform.json('GET', '/v1/sandboxes?limit=100')).sandboxes.length

/** These two take what they know of a body and nothing else. */
const harmless: Record<string, string[]> = {
  inside: ['poisoned'],
  interpreter: ['poisoned', 'deep', 'of an encoding nobody knows'],
}

for (const { name, path, headers } of doors) {
  const send = (body: string | Uint8Array, more: Record<string, string> = {}) =>
    platform.fetch(path, {
      method: 'POST',
      body: body as NonNullable<RequestInit['body']>,
      headers: { ...headers, 'content-type': 'application/json', ...more },
    })

  test(`${name}: broken, poisoned, deep, huge and compressed bodies are refused, and nothing is made`, async () => {
    const bodies: [string, string | Uint8Array, Record<string, string>?][] = [
      ['broken', '{"path":'],
      ['poisoned', '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'],
      ['deep', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
      ['huge', `{"path":"${'x'.repeat(17 * 2 ** 20)}"}`],
      ['a bomb', gzipSync(Buffer.alloc(64 * 2 ** 20)), { 'content-encoding': 'gzip' }],
      ['not what it says', 'no gzip at all', { 'content-encoding': 'gzip' }],
      ['of an encoding nobody knows', '{}', { 'content-encoding': 'x-unheard-of' }],
    ]
    const before = await count()
    for (const [kind, body, more] of bodies) {
      // A body that is cut off while it is sent may be a reset connection instead of an answer.
      const status = await send(body, more).then(
        (answer) => answer.status,
        (error) => (/fetch failed/.test(error.message) ? 413 : Promise.reject(error)),
      )
      const isHarmless = harmless[name]?.includes(kind) ?? false
      // Connect answers an encoding that it does not know with `unimplemented`.
      const isRefused = (status >= 400 && status < 500) || (status === 501 && name === 'inside')
      assert.ok(isRefused || (isHarmless && status === 200), `${kind}: ${status}`)
    }
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    assert.equal(await count(), before)
    assert.equal((await platform.fetch('/health')).status, 200)
  })
}

test('a platform that stops says so, finishes what runs, tells its streams and sends away what comes in', async () => {
  const stream = await platform.call(
    'POST',
    `/v1/sandboxes/${id}/execute`,
    { command: 'sleep 60' },
    {
      headers: { accept: 'text/event-stream' },
    },
  )
  const said = stream.text()
  const terminal = new WebSocket(`ws://127.0.0.1:${platform.port}/v1/sandboxes/${id}/terminal`, {
    headers: { 'x-api-key': platform.key },
  })
  await once(terminal, 'open')
  const closed = once(terminal, 'close')
  const running = platform.call('POST', `/v1/sandboxes/${id}/execute`, {
    command: 'touch /tmp/begun; while ! test -e /tmp/go; do sleep 0.05; done; echo done',
  })
  const path = `/v1/sandboxes/${id}/files`
  await until(
    'it runs',
    async () => (await platform.call('GET', `${path}/stat?path=/tmp/begun`)).status === 200,
    10_000,
  )

  // A connection from before: the same one is used for what comes in while the platform stops.
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const asked = (path: string) =>
    new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: Answer }>((resolve, reject) => {
      const options = { agent, host: '127.0.0.1', port: platform.port, path, headers: { 'x-api-key': platform.key } }
      http
        .get(options, async (answer) => {
          const text = (await answer.toArray()).join('')
          resolve({ status: answer.statusCode!, headers: answer.headers, body: JSON.parse(text) })
        })
        .on('error', reject)
    })
  assert.equal((await asked('/health')).status, 200)

  const gone = once(platform.process, 'exit')
  const release = await openUpload(path)
  platform.process.kill('SIGTERM')
  await until('it says that it stops', async () => (await asked('/health')).status === 503)
  const health = await asked('/health')
  assert.match(health.body.message, /draining/)
  const refused = await asked('/v1/sandboxes')
  assert.deepEqual([refused.status, refused.body.code, refused.headers.connection], [503, 'unavailable', 'close'])
  assert.equal(refused.headers['retry-after'], '1')
  assert.match(await said, /event: error\ndata: \{"code":"unavailable","message":"the platform is draining/)
  assert.equal((await closed)[0], 1001)

  release() // the file that the program waits for
  const answer = await running
  assert.deepEqual([answer.status, (await answer.json()).stdout], [200, 'done\n'])
  assert.deepEqual(await gone, [0, null])
  await platform.start()
  assert.equal((await platform.call('GET', `/v1/sandboxes/${id}`)).status, 200, 'the sandbox lived on')
})

/** Begins to write /tmp/go, which the last byte makes whole. The platform has taken it by then. */
async function openUpload(path: string): Promise<() => void> {
  const socket = net.connect(platform.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(
    `PUT ${path}?path=/tmp/go HTTP/1.1\r\nhost: a\r\nx-api-key: ${platform.key}\r\ncontent-length: 2\r\n` +
      'content-type: application/octet-stream\r\nexpect: 100-continue\r\n\r\n',
  )
  const [heard] = await once(socket, 'data')
  assert.match(`${heard}`, /^HTTP\/1\.1 100 /)
  socket.write('x')
  return () => socket.end('y')
}
