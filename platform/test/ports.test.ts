import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const sandbox = await platform.sandbox({ timeout: 3600 })
const id = sandbox.split('/').at(-1)!

// A server inside the sandbox, on its loopback: it tells what it got, streams, echoes, and speaks WebSocket.
const program = String.raw`
import base64, hashlib, http.server, json, socketserver, struct, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass

    def do_GET(self):
        if self.headers.get('upgrade') == 'websocket': return self.websocket()
        if self.path.startswith('/slow'):
            self.send_response(200); self.send_header('content-type', 'text/event-stream'); self.end_headers()
            for i in range(3):
                self.wfile.write(b'data: %d\n\n' % i); self.wfile.flush(); time.sleep(0.2)
            self.close_connection = True
            return
        self.answer(b'')

    def do_POST(self):
        size = int(self.headers.get('content-length') or 0)
        if self.path == '/count':
            left = size
            while left > 0: left -= len(self.rfile.read(min(left, 1 << 20)))
            return self.answer(str(size).encode())
        self.answer(self.rfile.read(size))

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_PROPFIND = do_POST

    def answer(self, body):
        text = json.dumps({'method': self.command, 'path': self.path, 'body': body.decode(), 'headers': {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(207 if self.command == 'PROPFIND' else 200)
        self.send_header('content-length', str(len(text))); self.send_header('x-inside', 'yes'); self.send_header('set-cookie', 'a=1'); self.send_header('set-cookie', 'b=2')
        self.end_headers(); self.wfile.write(text)

    def websocket(self):
        accept = base64.b64encode(hashlib.sha1((self.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
        self.send_response(101); self.send_header('upgrade', 'websocket'); self.send_header('connection', 'upgrade'); self.send_header('sec-websocket-accept', accept); self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2: return
            opcode, size = head[0] & 15, head[1] & 127
            if size == 126: size = struct.unpack('>H', self.rfile.read(2))[0]
            mask = self.rfile.read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(size)))
            if opcode == 8: return
            data = data + b' from ' + self.path.encode()
            self.wfile.write(bytes([0x80 | opcode, len(data)]) + data); self.wfile.flush()

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
Server(('127.0.0.1', 8123), Handler).serve_forever()
`
await platform.json('POST', `${sandbox}/processes`, { code: program })
await until('the server inside listens', async () => {
  const { ports } = await platform.json('GET', `${sandbox}/ports`)
  return ports.some(({ port }: Answer) => port === 8123)
})

const byPath = `${sandbox}/ports/8123`

test('ports() lists what listens inside, with the address to reach it by', async () => {
  const { ports } = await platform.json('GET', `${sandbox}/ports`)
  assert.deepEqual(
    ports.find(({ port }: Answer) => port === 8123),
    {
      port: 8123,
      address: '127.0.0.1',
      url: `http://8123-${id}.localhost:${platform.port}/`,
    },
  )
})

test('any method with its body, query and headers reaches the port by path, and the answer comes back', async () => {
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
    const body = method === 'GET' ? undefined : 'päylöad'
    const response = await platform.call(method, `${byPath}/some/%2F%41/path?q=1&q=%20`, body, {
      headers: { 'x-mine': 'kept' },
    })
    assert.equal(response.status, method === 'PROPFIND' ? 207 : 200)
    assert.equal(response.headers.get('x-inside'), 'yes')
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
    const seen = await response.json()
    assert.deepEqual([seen.method, seen.path, seen.body], [method, '/some/%2F%41/path?q=1&q=%20', body ?? ''])
    assert.equal(seen.headers['x-mine'], 'kept')
    assert.equal(seen.headers['x-api-key'], undefined)
  }
})

test('the port is reached by host name too, with the path as it is', async () => {
  const { status, body } = await byHost({ path: '/v1/sandboxes?x=1', headers: { 'x-api-key': platform.key } })
  assert.equal(status, 200)
  const seen = JSON.parse(body)
  assert.equal(seen.path, '/v1/sandboxes?x=1')
  assert.equal(seen.headers.host, `8123-${id}.localhost:${platform.port}`)
  assert.equal(seen.headers['x-forwarded-host'], `8123-${id}.localhost:${platform.port}`)
})

test('our key does not reach the program, a key of its own does', async () => {
  const ours = await byHost({ headers: { authorization: `Bearer ${platform.key}` } })
  assert.equal(JSON.parse(ours.body).headers.authorization, undefined)
  const both = await byHost({ headers: { authorization: 'Bearer its-own', 'x-api-key': platform.key } })
  assert.equal(JSON.parse(both.body).headers.authorization, 'Bearer its-own')
  assert.ok(!both.body.includes(platform.key))
  const everywhere = await byHost({
    headers: {
      authorization: `Bearer ${platform.key}`,
      'x-api-key': platform.key,
      'sec-websocket-protocol': `chat, warren.key.${platform.key}`,
    },
  })
  assert.equal(JSON.parse(everywhere.body).headers['sec-websocket-protocol'], 'chat')
  assert.ok(!everywhere.body.includes(platform.key))
})

test('without the key no port is reached', async () => {
  assert.equal((await byHost({})).status, 401)
  assert.equal((await platform.fetch(byPath)).status, 401)
})

test('an answer is passed on as it comes', async () => {
  const response = await platform.call('GET', `${byPath}/slow`)
  const arrivedAt: number[] = []
  for await (const _ of response.body!) arrivedAt.push(performance.now())
  assert.ok(arrivedAt.at(-1)! - arrivedAt[0]! > 250)
})

test('30 MB go up through a port', async () => {
  const response = await platform.call('POST', `${byPath}/count`, Buffer.alloc(30 << 20))
  assert.equal((await response.json()).body, String(30 << 20))
})

test('a port on which nothing listens is a 502, one that cannot be a 404', async () => {
  const silent = await platform.call('GET', `${sandbox}/ports/9/`)
  assert.deepEqual([silent.status, (await silent.json()).code], [502, 'unavailable'])
  for (const port of ['0', '65536', '99999', '-1', '080', 'x', '80.0', '1e3']) {
    const response = await platform.call('GET', `${sandbox}/ports/${port}/`)
    assert.deepEqual([port, response.status], [port, 404])
  }
  for (const name of [
    `0-${id}`,
    `65536-${id}`,
    `x-${id}`,
    `8123-s00000000000000000000`,
    id,
    '8123',
    `8123-${id}.evil`,
  ]) {
    const { status } = await byHost({ name, headers: { 'x-api-key': platform.key } })
    assert.deepEqual([name, status], [name, 404])
  }
})

test('WebSockets work by path and by host name', async () => {
  const headers = { 'x-api-key': platform.key }
  const path = new WebSocket(`${platform.url.replace('http', 'ws')}${byPath}/chat?room=1`, { headers })
  assert.equal(await echo(path, 'hello'), 'hello from /chat?room=1')
  const host = new WebSocket(`${platform.url.replace('http', 'ws')}/chat`, {
    headers: { ...headers, host: `8123-${id}.localhost:${platform.port}` },
  })
  assert.equal(await echo(host, 'hello'), 'hello from /chat')
})

test('a WebSocket without the key, or to a silent port, is refused as HTTP', async () => {
  const status = (url: string, headers: Record<string, string>) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, { headers })
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode))
      socket.on('open', () => resolve('open'))
      socket.on('error', () => {})
    })
  const base = platform.url.replace('http', 'ws')
  assert.equal(await status(`${base}${byPath}/`, {}), 401)
  assert.equal(await status(`${base}${sandbox}/ports/9/`, { 'x-api-key': platform.key }), 502)
})

test('what listens but speaks no HTTP is a 502', async () => {
  await platform.json('POST', `${sandbox}/processes`, {
    code: 'import socket\ns=socket.create_server(("127.0.0.1",8200))\nwhile True:\n c,_=s.accept(); c.recv(10); c.sendall(b"220 smtp\\r\\n"); c.close()',
  })
  await until('it listens', async () =>
    (await platform.json('GET', `${sandbox}/ports`)).ports.some(({ port }: Answer) => port === 8200),
  )
  const response = await platform.call('GET', `${sandbox}/ports/8200/`)
  assert.deepEqual([response.status, (await response.json()).code], [502, 'unavailable'])
})

test('an answer that HTTP does not know is a 502, and the platform goes on', async () => {
  const answers = [
    'HTTP/1.1 000 Weird\\r\\nContent-Length: 2\\r\\n\\r\\nhi',
    'HTTP/1.1 099 Weird\\r\\nContent-Length: 2\\r\\n\\r\\nhi',
    'HTTP/1.1 999 Weird\\r\\nContent-Length: 2\\r\\n\\r\\nhi',
    'HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\nUpgrade: x\\r\\n\\r\\nhi',
  ]
  for (const [index, answer] of answers.entries()) {
    const port = 8300 + index
    const code = `import socket\ns=socket.create_server(("127.0.0.1",${port}))\nwhile True:\n c,_=s.accept(); c.recv(9999); c.sendall(b"${answer}"); c.recv(1)`
    await platform.json('POST', `${sandbox}/processes`, { code })
    await until('it listens', async () =>
      (await platform.json('GET', `${sandbox}/ports`)).ports.some((found: Answer) => found.port === port),
    )
    const response = await platform.call('GET', `${sandbox}/ports/${port}/`)
    assert.deepEqual([response.status, (await response.json()).code], [502, 'unavailable'], answer)
  }
  const odd =
    'import socket\ns=socket.create_server(("127.0.0.1",8310))\nwhile True:\n c,_=s.accept(); c.recv(9999); c.sendall(b"HTTP/1.1 200 O\\x01K\\r\\nContent-Length: 2\\r\\n\\r\\nhi")'
  await platform.json('POST', `${sandbox}/processes`, { code: odd })
  await until('it listens', async () =>
    (await platform.json('GET', `${sandbox}/ports`)).ports.some((found: Answer) => found.port === 8310),
  )
  assert.ok([200, 502].includes((await platform.call('GET', `${sandbox}/ports/8310/`)).status))
  assert.equal((await platform.fetch('/health')).status, 200)
})

function byHost({
  name = `8123-${id}`,
  path = '/',
  headers = {},
}: {
  name?: string
  path?: string
  headers?: Record<string, string>
}) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const host = `${name}.localhost:${platform.port}`
    const request = http.get(
      { host: '127.0.0.1', port: platform.port, path, headers: { host, ...headers } },
      (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode!, body }))
      },
    )
    request.on('error', reject)
  })
}

function echo(socket: WebSocket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.on('open', () => socket.send(text))
    socket.on('message', (data) => {
      resolve(String(data))
      socket.close()
    })
    socket.on('error', reject)
  })
}
