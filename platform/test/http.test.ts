import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { type Answer, type Reply, startPlatform } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_CORS_ORIGINS: 'https://app.example.com' })

async function refusal(response: Reply | Promise<Reply>) {
  const answer = await response
  const body = await answer.json()
  assert.match(body.requestId, /^r[a-z0-9]{20}$/)
  assert.equal(answer.headers.get('x-request-id'), body.requestId)
  return { status: answer.status, code: body.code, message: body.message as string, hint: body.hint }
}

test('health and the OpenAPI document need no key', async () => {
  const health = await platform.fetch('/health')
  assert.deepEqual(await health.json(), { status: 'ok' })
  const document = await (await platform.fetch('/openapi.json')).json()
  assert.equal(document.openapi, '3.1.0')
  assert.ok(document.components.schemas.Sandbox)
  assert.equal(document.paths['/v1/sandboxes'].post.operationId, 'createSandbox')
})

test('the OpenAPI document says what no route schema can: raw bodies, labels, events, WebSockets, ports', async () => {
  const document = await (await platform.fetch('/openapi.json')).json()
  const { paths, servers } = document
  assert.deepEqual(servers, [{ url: '/' }])
  const sandbox = '/v1/sandboxes/{id}'
  for (const operation of [paths[`${sandbox}/files`].put, paths[`${sandbox}/processes/{processId}/stdin`].post]) {
    const binary = { schema: { type: 'string', format: 'binary' } }
    assert.deepEqual(operation.requestBody, { required: false, content: { 'application/octet-stream': binary } })
  }
  const query = paths['/v1/sandboxes'].get.parameters as { name: string; schema: { propertyNames?: object } }[]
  const labels = query.find(({ name }) => name === 'metadata')
  assert.deepEqual(labels?.schema.propertyNames, { pattern: '^metadata\\..+$' })
  const { content } = paths[`${sandbox}/execute`].post.responses['200']
  assert.deepEqual(content['application/json'].schema, { $ref: '#/components/schemas/Execution' })
  assert.deepEqual(content['text/event-stream'].schema, { $ref: '#/components/schemas/ProcessEvent' })
  assert.ok(paths[`${sandbox}/terminal`].get.responses['101'])
  assert.ok(paths[`${sandbox}/processes/{processId}/attach`].get.responses['101'])
  assert.ok(paths[`${sandbox}/ports/{port}/{path}`].post.requestBody)
  assert.doesNotMatch(JSON.stringify(document), /Default Response/)
})

test('every reference of the OpenAPI document leads somewhere, and every operation has a name of its own', async () => {
  const text = await (await platform.fetch('/openapi.json')).text()
  const { components, paths } = JSON.parse(text)
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) assert.ok(components.schemas[name!], name)
  const operations = Object.values(paths).flatMap((path) => Object.values(path as object))
  const names = operations.map(({ operationId }) => operationId)
  assert.deepEqual([...new Set(names)], names)
})

test('every schema of the OpenAPI document is one: the platform does not look at its own when it starts', async () => {
  const document = await (await platform.fetch('/openapi.json')).json()
  const checker = new Ajv({ strict: false, logger: false })
  const schemas = schemasOf(document)
  assert.ok(schemas.length > 1000)
  for (const schema of schemas)
    assert.ok(checker.validateSchema(schema), `${JSON.stringify(schema)}: ${checker.errorsText()}`)
  assert.equal(checker.validateSchema({ type: 'strin' }), false)
})

/** Those of components, parameters, bodies and answers. */
function schemasOf(document: Answer): object[] {
  const found: object[] = Object.values(document.components.schemas)
  JSON.stringify(document.paths, (key, value) => {
    if (key === 'schema') found.push(value)
    return value
  })
  return found
}

test('a query field that is not known is refused, and the refusal names those that are', async () => {
  const { status, message } = await refusal(platform.call('GET', '/v1/sandboxes?label=blue'))
  assert.equal(status, 400)
  assert.match(message, /"label".*state\|limit\|cursor\|metadata/)
})

test('what is no time is refused wherever a time is asked for', async () => {
  for (const time of [
    '1',
    'yesterday',
    '2026-13-01',
    '2026-01-01T25:00:00Z',
    '1767225600',
    '2026-01-01T00:00:00Z; drop',
  ])
    for (const path of ['audit?from=', 'audit?to=', 'usage?from=', 'runs?before=']) {
      const answer = await platform.call('GET', `/v1/${path}${encodeURIComponent(time)}`)
      assert.equal(answer.status, 400, `${path}${time}`)
      assert.match((await answer.json()).message, /must be a date-time, such as/)
    }
  for (const time of ['2026-01-01', '2026-01-01T00:00Z', '2026-01-01T00:00:00.123456+08:00'])
    assert.equal((await platform.call('GET', `/v1/audit?from=${encodeURIComponent(time)}`)).status, 200, time)
})

test('text that cannot be kept is refused wherever it is sent', async () => {
  const nul = String.fromCharCode(0)
  const asked: [string, string, unknown?][] = [
    ...['events?type=%00', 'events?subject=%00', 'audit?actor=%00', 'billing/ledger?account=%00'].map(
      (path): [string, string] => ['GET', `/v1/${path}`],
    ),
    ['GET', '/v1/billing/invoices/%00'],
    ['GET', '/v1/billing/payments/%00'],
    ['DELETE', '/v1/keys/%00'],
    ['DELETE', '/v1/webhooks/%00'],
    ['PATCH', '/v1/orgs/%00', { name: 'x' }],
    ['POST', '/v1/billing/accounts/%00/invoices', {}],
    ['POST', '/v1/billing/coupons', { code: nul }],
    ['PUT', '/v1/billing/plan', { plan: nul }],
    ['PUT', '/v1/quotas', { organisation: nul, quotas: { sandboxes: 1 } }],
    ['POST', '/v1/orgs/org0/invitations', { email: `a${nul}@example.com`, role: 'viewer' }],
    ['POST', '/v1/auth/login', { email: `a${nul}@example.com`, password: 'four words nobody guesses' }],
  ]
  for (const [method, path, body] of asked) {
    const answer = await platform.call(method, path, body, { headers: { 'idempotency-key': 'nul' } })
    const { code, message } = (await answer.json()) as Answer
    assert.deepEqual([answer.status, code], [400, 'invalid_request'], `${method} ${path}: ${answer.status} ${message}`)
  }
})

test('without a key, or with a wrong one, everything else is refused', async () => {
  for (const headers of [
    {},
    { 'x-api-key': 'e2b_00' },
    { authorization: 'Bearer nonsense' },
    { authorization: 'Basic Zm9v' },
  ]) {
    for (const path of [
      '/v1/sandboxes',
      '/v1/sandboxes/s1/files?path=/etc/passwd',
      '/v1/runtimes',
      '/v1/sandboxes/s1/ports/80/',
    ]) {
      const { status, code } = await refusal(platform.fetch(path, { headers: headers as Record<string, string> }))
      assert.deepEqual([status, code], [401, 'unauthenticated'])
    }
  }
})

test('the key is accepted in either header', async () => {
  const asBearer = await platform.fetch('/v1/templates', { headers: { authorization: `Bearer ${platform.key}` } })
  assert.deepEqual((await asBearer.json()).templates[0].name, 'base')
  assert.equal((await platform.call('GET', '/v1/templates')).status, 200)
})

test('an address that is not served is a 404, a method that is not served there a 405 that says which are', async () => {
  assert.equal((await refusal(platform.call('GET', '/v1/nothing'))).status, 404)
  assert.equal((await refusal(platform.call('GET', '/'))).status, 404)
  assert.equal((await refusal(platform.call('GET', '/v1/%zz'))).status, 400)
  const response = await platform.call('PATCH', '/v1/sandboxes')
  assert.equal(response.headers.get('allow'), 'GET, HEAD, POST')
  assert.equal((await refusal(response)).status, 405)
})

test('a body that is not what the route takes is refused with the field, the rule and the value', async () => {
  const cases: [unknown, RegExp][] = [
    [{ tempate: 'base' }, /field "tempate"; known are: template, timeout/],
    [{ template: 5 }, /"template" must be string, not 5/],
    [{ timeout: '300' }, /"timeout" must be integer, not "300"/],
    [{ timeout: 0 }, /"timeout" must be >= 1, not 0/],
    [{ timeout: 86_401 }, /"timeout" must be <= 86400/],
    [{ timeout: 1.5 }, /"timeout" must be integer/],
    [{ limits: { memoryMb: -1 } }, /"limits.memoryMb" must be >= 16, not -1/],
    [{ limits: { memory: 1 } }, /field "memory"; known are: cpuCores, memoryMb/],
    [{ env: { A: 1 } }, /"env.A" must be string/],
    [{ env: { 'A=B': '1' } }, /must not have the name "A=B"/],
    [{ env: { A: 'a\0b' } }, /"env.A" must be well-formed text without NUL/],
    [{ metadata: { a: '\ud800' } }, /"metadata.a" must be well-formed text/],
    [{ isolation: { min: 'none at all' } }, /must be one of none, namespaces, container/],
    [[], /the body must be object/],
  ]
  for (const [body, message] of cases) {
    const answer = await refusal(platform.call('POST', '/v1/sandboxes', body))
    assert.deepEqual([answer.status, answer.code], [400, 'invalid_request'])
    assert.match(answer.message, message)
  }
})

test('broken, poisoned, huge and foreign bodies are refused', async () => {
  const json = { headers: { 'content-type': 'application/json' } }
  const send = (body: string, init: RequestInit = json) => refusal(platform.call('POST', '/v1/sandboxes', body, init))
  assert.equal((await send('{"template":')).status, 400)
  assert.equal((await send('')).status, 400)
  assert.equal((await send('{"__proto__":{"polluted":true}}')).status, 400)
  assert.equal((await send('{"constructor":{"prototype":{"polluted":true}}}')).status, 400)
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
  assert.equal((await send(`{"metadata":{"a":"${'x'.repeat(2 ** 20)}"}}`)).status, 413)
  assert.equal((await send('['.repeat(100_000) + ']'.repeat(100_000))).status, 400)
  assert.match((await send('<a/>', { headers: { 'content-type': 'text/xml' } })).message, /must be JSON/)
})

test('an unknown template and a runtime that is not there are told as such', async () => {
  const template = await refusal(platform.call('POST', '/v1/sandboxes', { template: 'windows' }))
  assert.deepEqual([template.status, template.code], [404, 'not_found'])
  assert.match(template.message, /"windows"/)
  const runtime = await refusal(
    platform.call('POST', '/v1/sandboxes', { isolation: { min: 'microvm', driver: 'namespaces' } }),
  )
  assert.deepEqual([runtime.status, runtime.code], [503, 'unavailable'])
  assert.deepEqual(await platform.json('GET', '/v1/sandboxes'), { sandboxes: [] })
})

test('every route answers 404 for a sandbox that is not there', async () => {
  const routes: [string, string, unknown?][] = [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/timeout', { timeout: 5 }],
    ['POST', '/execute', { command: 'true' }],
    ['POST', '/processes', { command: 'true' }],
    ['GET', '/processes'],
    ['GET', '/processes/1/output'],
    ['POST', '/processes/1/signal', { signal: 15 }],
    ['POST', '/processes/1/stdin', 'x'],
    ['DELETE', '/processes/1'],
    ['GET', '/files?path=/etc/passwd'],
    ['PUT', '/files?path=/tmp/x', 'x'],
    ['GET', '/files/list?path=/'],
    ['GET', '/logs'],
    ['GET', '/metrics'],
    ['GET', '/ports'],
    ['GET', '/ports/80/'],
  ]
  for (const id of ['s00000000000000000000', 'x', '%2e%2e', "s'--", 'a'.repeat(64)]) {
    for (const [method, path, body] of routes) {
      const answer = await refusal(platform.call(method, `/v1/sandboxes/${id}${path}`, body))
      assert.deepEqual([method, path, answer.status, answer.code], [method, path, 404, 'not_found'])
    }
  }
})

test('what is not HTTP is answered and the connection closed', async () => {
  const answer = await raw('hello\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
  assert.match(answer, /"code":"invalid_request"/)
  assert.match(await raw(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  const smuggled =
    'POST /v1/sandboxes HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'
  assert.match(await raw(smuggled), /^HTTP\/1\.1 400 /)
})

test('a WebSocket to an address that has none, or without a key, is refused as HTTP', async () => {
  const upgrade =
    'upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  assert.match(await raw(`GET /v1/sandboxes/s1/terminal HTTP/1.1\r\nhost: a\r\n${upgrade}\r\n`), /^HTTP\/1\.1 401 /)
  const withKey = `x-api-key: ${platform.key}\r\n`
  assert.match(await raw(`GET /v1/nothing HTTP/1.1\r\nhost: a\r\n${upgrade}${withKey}\r\n`), /^HTTP\/1\.1 404 /)
  assert.match(
    await raw(`GET /v1/sandboxes/s1/terminal HTTP/1.1\r\nhost: a\r\n${upgrade}${withKey}\r\n`),
    /^HTTP\/1\.1 404 /,
  )
})

/** Sends bytes and reads until the server hangs up. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = net.connect(platform.port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('end', () => socket.end())
    socket.on('close', () => resolve(answer))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(answer) : reject(error),
    )
  })
}

test('web pages of an origin that the operator allows may call the API, others may not', async () => {
  const ask = (origin: string) =>
    platform.fetch('/v1/sandboxes', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key' },
    })
  const allowed = await ask('https://app.example.com')
  assert.equal(allowed.status, 204)
  assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://app.example.com')
  assert.match(allowed.headers.get('access-control-allow-headers')!, /x-api-key/)
  const other = await ask('https://evil.example.com')
  assert.equal(other.headers.get('access-control-allow-origin'), null)
  const answer = await platform.call('GET', '/v1/runtimes', undefined, {
    headers: { origin: 'https://app.example.com' },
  })
  assert.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example.com')
})

test('a sandbox may be asked for without a body', async () => {
  const response = await platform.call('POST', '/v1/sandboxes')
  assert.equal(response.status, 201)
  await platform.call('DELETE', `/v1/sandboxes/${((await response.json()) as Answer).id}`)
})

test('a client that offers HTTP/2 in passing is served in HTTP/1.1', async () => {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = net.connect(platform.port, '127.0.0.1', () =>
      socket.write(
        'GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n',
      ),
    )
    socket.once('data', (data) => {
      resolve(data.toString())
      socket.destroy()
    })
    socket.once('error', reject)
  })
  assert.match(answer, /^HTTP\/1\.1 200 OK/)
})

test('an id that can be none is not found', async () => {
  for (const id of ['%00', '..', 'S', 'x'.repeat(60), '\u{1f600}'])
    assert.equal((await platform.call('GET', `/v1/sandboxes/${id === '..' ? '%2e%2e' : id}`)).status, 404, id)
})
