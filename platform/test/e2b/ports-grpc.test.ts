import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import grpc from '@grpc/grpc-js'
import { mintAuthority, mintCertificate } from '../../src/lib/certificate.ts'
import { all, asked } from '../grpc-clients.ts'
import { type Answer, startPlatform, until } from '../platform.ts'

/** gRPC servers in a sandbox, called by the reference implementation at the addresses that `getHost(port)` gives. */
const domain = 'box.example'
const platform = await startPlatform({ WARREN_DOMAIN: domain })
const ca = await readFile(join(platform.home, 'tls', `${domain}.pem`))
const network = { httpsPorts: [3006] }
const made = await platform.json('POST', '/v2/sandboxes', { templateID: 'base', network })
const path = `/v1/sandboxes/${made.sandboxID}`

// Messages are passed through as they are: what is tried is the way there, not their meaning.
const program = `const http2 = require('http2'), fs = require('fs')
function serve(stream, headers) {
  stream.on('error', () => {})
  const last = { 'grpc-status': '0', 'x-last': headers['x-asked'] ?? '', 'x-host': headers[':authority'] }
  if (headers[':path'] === '/test.Echo/Fails')
    return stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'nobody%20here' }, { endStream: true })
  if (headers[':path'] === '/test.Echo/Breaks') return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
  stream.on('close', () => stream.rstCode && fs.writeFileSync('/tmp/cancelled', 'yes'))
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-first': headers.te }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(last))
  if (headers[':path'] === '/test.Echo/Waits') return stream.on('data', (bytes) => stream.write(bytes))
  stream.pipe(stream)
}
http2.createServer().on('stream', serve).listen(3005, '127.0.0.1')
http2.createSecureServer({ cert: fs.readFileSync('/tmp/pair.pem'), key: fs.readFileSync('/tmp/pair.pem') }).on('stream', serve).listen(3006, '127.0.0.1')
require('http').createServer((request, response) => response.end('old')).listen(3007, '127.0.0.1')
`
const now = new Date()
const { certificate, key } = mintCertificate(mintAuthority('inside', { now }), { names: ['localhost'], days: 1, now })
await platform.call('PUT', `${path}/files?path=/tmp/pair.pem`, certificate + key)
await platform.call('PUT', `${path}/files?path=/tmp/server.js`, program)
await platform.json('POST', `${path}/processes`, { command: 'exec node /tmp/server.js' })

const raw = (bytes: Buffer) => bytes
const method = (name: string, stream: boolean) => ({
  ...{ path: `/test.Echo/${name}`, requestStream: stream, responseStream: stream },
  ...{ requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw },
})
const Echo = grpc.makeGenericClientConstructor(
  {
    Once: method('Once', false),
    Fails: method('Fails', false),
    Breaks: method('Breaks', false),
    Both: method('Both', true),
    Waits: method('Waits', true),
  },
  'test.Echo',
)
const once = (client: Answer, name: string, input: Buffer) =>
  asked(client, name, input, new grpc.Metadata()) as unknown as Promise<Buffer>
const hostOf = (port: number, id = made.sandboxID) => `${port}-${id}.${domain}:${platform.port}`
/** Names lead here as a wildcard record makes them. */
function clientOf(port: number, how: 'TLS' | 'plain' = 'TLS', id = made.sandboxID): Answer {
  const credentials = how === 'TLS' ? grpc.credentials.createSsl(ca) : grpc.credentials.createInsecure()
  const authority = hostOf(port, id)
  const client = new Echo(`127.0.0.1:${platform.port}`, credentials, {
    'grpc.default_authority': authority,
    ...(how === 'TLS' ? { 'grpc.ssl_target_name_override': authority.replace(/:.*/, '') } : {}),
  })
  after(() => client.close())
  return client
}

for (const [how, port] of [
  ['TLS', 3005],
  ['plain', 3005],
  ['TLS', 3006],
] as const) {
  const client = clientOf(port, how)
  const name = `${how}, port ${port}`

  test(`${name}: calls of one message, of many, and with metadata both ways`, async () => {
    await until(
      'it listens',
      async () => (await once(client, 'Once', Buffer.from('x')).catch(() => undefined)) ?? false,
    )
    const large = Buffer.alloc(3 * 1024 * 1024, 'warren')
    assert.ok(large.equals(await once(client, 'Once', large)))
    assert.equal((await once(client, 'Once', Buffer.alloc(0))).length, 0)

    const meta = new grpc.Metadata()
    meta.set('x-asked', 'this')
    meta.set('e2b-traffic-access-token', 'not for the program')
    const both = client.Both(meta)
    const first = new Promise<grpc.Metadata>((resolve) => both.once('metadata', resolve))
    const status = new Promise<grpc.StatusObject>((resolve) => both.once('status', resolve))
    const heard: string[] = []
    for (const word of ['one', 'two', 'three']) {
      // Each is answered before the next is sent: nothing waits for the end of the call.
      const answer = new Promise<Buffer>((resolve) => both.once('data', resolve))
      both.write(Buffer.from(word))
      heard.push(String(await answer))
    }
    both.end()
    assert.deepEqual(heard, ['one', 'two', 'three'])
    assert.deepEqual((await first).get('x-first'), ['trailers'])
    const { code, metadata } = await status
    assert.deepEqual([code, metadata.get('x-last'), metadata.get('x-host')], [0, ['this'], [hostOf(port)]])
  })

  test(`${name}: what fails says what the program says`, async () => {
    await assert.rejects(once(client, 'Fails', Buffer.alloc(1)), { code: 5, details: 'nobody here' })
    await assert.rejects(once(client, 'Breaks', Buffer.alloc(1)), (error: grpc.ServiceError) => {
      assert.ok([grpc.status.INTERNAL, grpc.status.UNAVAILABLE].includes(error.code), String(error))
      return true
    })
    assert.ok(await once(client, 'Once', Buffer.from('x')), 'others on the connection go on')
  })

  test(`${name}: a client that goes away is noticed inside`, async () => {
    await platform.call('DELETE', `${path}/files?path=/tmp/cancelled`)
    // The client says that it will send no more before it says that it goes away.
    const call = client.Waits()
    call.on('error', () => {})
    await new Promise((resolve) => {
      call.once('data', resolve)
      call.write(Buffer.from('x'))
    })
    call.cancel()
    await until('it is told', async () => (await platform.call('GET', `${path}/files?path=/tmp/cancelled`)).ok)
  })
}

test('a port that speaks no HTTP/2, a closed one and a sandbox that is not there are unavailable', async () => {
  for (const port of [3007, 3999])
    await assert.rejects(once(clientOf(port, 'TLS'), 'Once', Buffer.alloc(1)), { code: grpc.status.UNAVAILABLE })
  await assert.rejects(once(clientOf(3005, 'TLS', 'nosuch'), 'Once', Buffer.alloc(1)), {
    code: grpc.status.UNAVAILABLE,
  })
})

test('a call ends with its sandbox, and not as if it were done', async () => {
  const call = clientOf(3005, 'TLS').Both()
  await new Promise((resolve) => {
    call.once('data', resolve)
    call.write(Buffer.from('x'))
  })
  const ended = assert.rejects(all(call), (error: grpc.ServiceError) => error.code !== grpc.status.OK)
  await platform.call('DELETE', path)
  await ended
})
