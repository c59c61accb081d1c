import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import tls from 'node:tls'
import { WebSocket } from 'ws'
import { mintAuthority, mintCertificate } from '../../src/lib/certificate.ts'
import { portPlaceholder } from '../../src/sandboxes/port-rules.ts'
import { type Answer, startPlatform, until } from '../platform.ts'
import { nameHere } from './names.ts'

const domain = 'box.example'
const platform = await startPlatform({ WARREN_DOMAIN: domain })
const { port } = platform
after(nameHere(domain))
const ca = await readFile(join(platform.home, 'tls', `${domain}.pem`), 'utf8')
const made = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
const host = (of: number | string) => `${of}-${made.sandboxID}.${domain}:${port}`
const session = http2.connect(`https://api.${domain}:${port}`, { ca })
after(() => session.close())
const server = `import http.server, hashlib, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.path == '/slow':
            self.send_response(200); self.send_header('transfer-encoding', 'chunked'); self.end_headers()
            while True:
                self.wfile.write(b'4\\r\\nbeat\\r\\n'); self.wfile.flush(); time.sleep(0.1)
        if self.path == '/endless':
            self.send_response(200); self.end_headers()
            while True: self.wfile.write(b'x' * 65536)
        text = repr(sorted((k.lower(), v) for k, v in self.headers.items())).encode()
        self.send_response(200); self.send_header('set-cookie', 'a=1'); self.send_header('set-cookie', 'b=2')
        self.send_header('content-length', str(len(text))); self.end_headers(); self.wfile.write(text)
    def do_POST(self):
        digest, size = hashlib.sha256(), 0
        def take(n):
            nonlocal size
            while n > 0:
                part = self.rfile.read(min(n, 65536))
                if not part: break
                digest.update(part); size += len(part); n -= len(part)
        if 'content-length' in self.headers: take(int(self.headers['content-length']))
        else:
            while True:
                n = int(self.rfile.readline(), 16)
                take(n); self.rfile.readline()
                if n == 0: break
        text = ('%d %s' % (size, digest.hexdigest())).encode()
        self.send_response(200); self.send_header('content-length', str(len(text))); self.end_headers(); self.wfile.write(text)
http.server.ThreadingHTTPServer(('127.0.0.1', 3000), H).serve_forever()
`
const secureServer = `import ssl
s = http.server.ThreadingHTTPServer(('127.0.0.1', 3443), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('/tmp/pair.pem')
s.socket = c.wrap_socket(s.socket, server_side=True); s.serve_forever()`
await platform.call('PUT', `/v1/sandboxes/${made.sandboxID}/files?path=/tmp/server.py`, server)
await platform.json('POST', `/v1/sandboxes/${made.sandboxID}/processes`, { command: 'exec python3 /tmp/server.py' })
await until('the server inside listens', async () => (await get(host(3000))).status === 200)

test('the addresses that are answered are below the domain', async () => {
  assert.equal(made.domain, `${domain}:${port}`)
  const { ports } = await platform.json('GET', `/v1/sandboxes/${made.sandboxID}`)
  assert.equal(ports.urlTemplate, `https://{port}-${made.sandboxID}.${domain}:${port}/`)
})

test('the key of the authority is for its owner alone, and stays the same over a restart', async () => {
  const key = join(platform.home, 'tls', `${domain}.key`)
  assert.equal((await stat(key)).mode & 0o777, 0o600)
  const before = await readFile(key, 'utf8')
  assert.match(before, /BEGIN CERTIFICATE[\s\S]*BEGIN PRIVATE KEY/)
  assert.ok(!ca.includes('PRIVATE'))
  assert.ok((await readFile(join(platform.home, 'tls', `${domain}.bundle.pem`), 'utf8')).endsWith(ca))
})

test('one port speaks plain HTTP, HTTP/1.1 over TLS and HTTP/2 over TLS', async () => {
  assert.equal((await platform.fetch('/health')).status, 200)
  assert.equal((await get(`api.${domain}:${port}`, '/health')).status, 200)
  const answer = await over2(`api.${domain}:${port}`, { ':path': '/health' })
  assert.equal(answer.status, 200)
  const secure = tls.connect({ port, host: '127.0.0.1', servername: `api.${domain}`, ca, ALPNProtocols: ['h2'] })
  await new Promise((resolve) => secure.once('secureConnect', resolve))
  assert.equal(secure.alpnProtocol, 'h2')
  secure.destroy()
})

test('what is not HTTP and not TLS hurts nobody', async () => {
  for (const bytes of [
    '\x16',
    '\x16\x03\x01\x00\x05hello',
    '\x00\x01',
    'GET\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc',
  ]) {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise((resolve) => socket.write(Buffer.from(bytes, 'latin1'), resolve))
    assert.equal((await get(`api.${domain}:${port}`, '/health')).status, 200)
    socket.destroy()
  }
  assert.equal((await get(`api.${domain}:${port}`, '/health')).status, 200)
})

test('requests go where their host name says, and headers lead nowhere else', async () => {
  assert.equal((await get(`49983-${made.sandboxID}.${domain}:${port}`, '/health')).status, 204)
  assert.equal((await get(host(3999))).status, 502)
  assert.equal((await get(`3000-nosuch.${domain}:${port}`)).status, 502)
  assert.equal((await get(`x-${made.sandboxID}.${domain}:${port}`)).status, 400)
  assert.equal((await get(`99999-${made.sandboxID}.${domain}:${port}`)).status, 400)
  const routing = { 'e2b-sandbox-id': made.sandboxID, 'e2b-sandbox-port': '3000' }
  assert.equal((await get(`sandbox.${domain}:${port}`, '/', routing)).status, 200)
  assert.equal((await get(`sandbox.${domain}:${port}`, '/', { 'e2b-sandbox-id': made.sandboxID })).status, 400)
  assert.equal((await get(`api.${domain}:${port}`, '/health', routing)).status, 200)
  assert.equal((await get(`api.${domain}:${port}`, '/v1/sandboxes', routing)).status, 401)
})

test('a program behind a port sees HTTP/1.1 as it is, whatever the client spoke', async () => {
  const answer = await over2(host(3000), { ':path': '/', cookie: ['a=1', 'b=2'], 'x-mine': 'yes' })
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
  for (const seen of [
    `('host', '${host(3000)}')`,
    "('x-forwarded-proto', 'https')",
    "('x-mine', 'yes')",
    "('cookie', 'a=1; b=2')",
  ])
    assert.ok(answer.body.includes(seen), `${seen} in ${answer.body}`)
  assert.ok(!answer.body.includes("(':"), answer.body)
})

test('uploads of any size stream through, and memory stays flat', async () => {
  const size = 192 * 1024 * 1024
  const part = Buffer.alloc(1024 * 1024, 7)
  const digest = createHash('sha256')
  for (let sent = 0; sent < size; sent += part.length) digest.update(part)
  const expected = `${size} ${digest.digest('hex')}`
  const before = await memoryMb()
  for (const announced of [true, false]) {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/',
      ':authority': host(3000),
      ...(announced ? { 'content-length': size } : {}),
    })
    for (let sent = 0; sent < size; sent += part.length)
      if (!stream.write(part)) await new Promise((resolve) => stream.once('drain', resolve))
    stream.end()
    assert.equal((await bodyOf(stream)).body, expected)
  }
  const grown = (await memoryMb()) - before
  assert.ok(grown < 96, `the platform grew by ${grown} MiB`)
})

test('a client that reads nothing holds up nobody, and one that goes away is noticed', async () => {
  const stalled = session.request({ ':path': '/endless', ':authority': host(3000) })
  await new Promise((resolve) => stalled.once('response', resolve))
  stalled.pause()
  assert.equal((await over2(host(3000), { ':path': '/' })).status, 200)
  stalled.close(http2.constants.NGHTTP2_CANCEL)
  await new Promise((resolve) => stalled.once('close', resolve))
  assert.equal((await over2(host(3000), { ':path': '/' })).status, 200)
})

test('WebSockets pass', async () => {
  const echo = `import asyncio, base64, hashlib
async def serve(r, w):
    head = (await r.readuntil(b'\\r\\n\\r\\n')).decode()
    key = [l.split(': ')[1] for l in head.split('\\r\\n') if l.lower().startswith('sec-websocket-key')][0]
    accept = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
    w.write(('HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: Upgrade\\r\\nsec-websocket-accept: %s\\r\\n\\r\\n' % accept).encode())
    head = await r.readexactly(6); n = head[1] & 127
    data = bytes(b ^ head[2 + i % 4] for i, b in enumerate(await r.readexactly(n)))
    w.write(bytes([0x81, n]) + data); await w.drain(); await asyncio.sleep(3600)
async def main(): await (await asyncio.start_server(serve, '127.0.0.1', 3001)).serve_forever()
asyncio.run(main())`
  await platform.call('PUT', `/v1/sandboxes/${made.sandboxID}/files?path=/tmp/echo.py`, echo)
  await platform.json('POST', `/v1/sandboxes/${made.sandboxID}/processes`, { command: 'exec python3 /tmp/echo.py' })
  const heard = await until('the echo comes back', async () => {
    const socket = new WebSocket(`wss://${host(3001)}/`, { ca })
    return new Promise<string | undefined>((resolve) => {
      socket.on('open', () => socket.send('hello'))
      socket.on('message', (data) => resolve(String(data)))
      socket.on('error', () => resolve(undefined))
    })
  })
  assert.equal(heard, 'hello')
})

test('a port that speaks TLS inside is reached, and the Host inside is what was asked for', async () => {
  const network = { maskRequestHost: `app.internal:${portPlaceholder}`, httpsPorts: [3443] }
  const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base', network })
  const path = `/v1/sandboxes/${sandboxID}`
  const { certificate, key } = mintCertificate(mintAuthority('inside', { now: new Date() }), {
    names: ['localhost'],
    days: 1,
    now: new Date(),
  })
  await platform.call('PUT', `${path}/files?path=/tmp/pair.pem`, certificate + key)
  await platform.call(
    'PUT',
    `${path}/files?path=/tmp/server.py`,
    server.replace(/^http\.server\.Threading.*$/m, secureServer),
  )
  await platform.json('POST', `${path}/processes`, { command: 'exec python3 /tmp/server.py' })
  const name = `3443-${sandboxID}.${domain}:${port}`
  const answer = await until('it listens', async () => {
    const got = await get(name)
    return got.status === 200 ? got : undefined
  })
  assert.ok(answer.body.includes("('host', 'app.internal:3443')"), answer.body)
  assert.ok(answer.body.includes(`('x-forwarded-host', '${name}')`), answer.body)
  const { network: told } = await platform.json('GET', `/sandboxes/${sandboxID}`)
  assert.deepEqual([told.maskRequestHost, told.httpsPorts], [`app.internal:${portPlaceholder}`, [3443]])
  for (const wrong of [
    { httpsPorts: [49_983] },
    { httpsPorts: [70_000] },
    { maskRequestHost: 'a b' },
    { maskRequestHost: 'a\r\nb: c' },
  ])
    assert.equal((await platform.call('POST', '/v2/sandboxes', { templateID: 'base', network: wrong })).status, 400)
})

test('web pages of anywhere may call what is inside', async () => {
  const asked = {
    ':method': 'OPTIONS',
    origin: 'https://page.example',
    'access-control-request-headers': 'x-access-token',
  }
  const answer = await over2(`49983-${made.sandboxID}.${domain}:${port}`, { ':path': '/files', ...asked })
  assert.equal(answer.status, 204)
  assert.equal(answer.headers['access-control-allow-origin'], '*')
  assert.equal(answer.headers['access-control-allow-headers'], 'x-access-token')
})

for (const end of ['kill', 'pause'])
  test(`${end}: the streams of a sandbox are cut, also those that share a connection with others`, async (t) => {
    const doomed = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
    await platform.call('PUT', `/v1/sandboxes/${doomed.sandboxID}/files?path=/tmp/server.py`, server)
    await platform.json('POST', `/v1/sandboxes/${doomed.sandboxID}/processes`, {
      command: 'exec python3 /tmp/server.py',
    })
    const name = `3000-${doomed.sandboxID}.${domain}:${port}`
    await until('it listens', async () => (await get(name)).status === 200)
    const ends = [
      session.request({ ':path': '/slow', ':authority': name }),
      session.request({
        ':method': 'POST',
        ':path': '/process.Process/Start',
        ':authority': `49983-${doomed.sandboxID}.${domain}:${port}`,
        'content-type': 'application/connect+json',
        'x-access-token': doomed.envdAccessToken,
      }),
    ]
    ends[1]!.end(envelope({ process: { cmd: 'sleep', args: ['60'] }, stdin: false }))
    const cut = ends.map(
      (stream) =>
        new Promise<string>((resolve) => {
          stream.resume()
          stream.once('end', () => resolve('an orderly end'))
          stream.once('error', (error) => resolve(error.message))
        }),
    )
    await Promise.all(ends.map((stream) => new Promise((resolve) => stream.once('data', resolve))))
    const path = `/v1/sandboxes/${doomed.sandboxID}`
    const ended = end === 'kill' ? await platform.call('DELETE', path) : await platform.call('POST', `${path}/pause`)
    if (!ended.ok && end === 'pause') return t.skip(`nothing is paused here: ${await ended.text()}`)
    for (const how of await Promise.all(cut)) assert.match(how, /INTERNAL_ERROR|CANCEL|closed/i, `${end}: ${how}`)
    assert.equal((await over2(`49983-${doomed.sandboxID}.${domain}:${port}`, { ':path': '/health' })).status, 502)
    assert.equal((await over2(host(3000), { ':path': '/' })).status, 200, 'others on the connection go on')
  })

function envelope(message: object): Buffer {
  const text = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(5)
  head.writeUInt32BE(text.length, 1)
  return Buffer.concat([head, text])
}

async function memoryMb(): Promise<number> {
  const status = await readFile(`/proc/${platform.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024
}

function get(at: string, path = '/', headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = https.get(`https://${at}${path}`, { ca, headers, agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode!, body })
    })
    request.on('error', reject)
  })
}

function over2(authority: string, headers: Answer): Promise<{ status: number; headers: Answer; body: string }> {
  const stream = session.request({ ':authority': authority, ...headers })
  stream.end()
  return bodyOf(stream)
}

async function bodyOf(stream: http2.ClientHttp2Stream): Promise<{ status: number; headers: Answer; body: string }> {
  const head = new Promise<Answer>((resolve, reject) => {
    stream.once('response', resolve)
    stream.once('error', reject)
  })
  const headers = await head
  let body = ''
  for await (const chunk of stream) body += chunk
  return { status: headers[':status'], headers, body }
}
