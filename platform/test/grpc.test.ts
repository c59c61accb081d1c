import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import http2 from 'node:http2'
import net from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import grpc from '@grpc/grpc-js'
import { CreateSandboxRequest, Problem, Sandbox, SandboxService } from '../src/http/grpc/messages.ts'
import { fromBinary } from '../src/http/rpc/binary.ts'
import { CreateSandbox, SandboxView } from '../src/sandboxes/sandbox.ts'
import { all, asked, connectService, grpcClient } from './grpc-clients.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const domain = 'rpc.example'
const platform = await startPlatform({ WARREN_DOMAIN: domain, WARREN_CORS_ORIGINS: 'https://app.example' })
const meta = metaOf(platform.key)
const client = grpcClient(`127.0.0.1:${platform.port}`)
after(() => client.close())
const { service, problem } = await connectService()
const made = await asked(client, 'CreateSandbox', { metadata: { made: 'here' }, timeout: 600 }, meta)
const id: string = made.id

test('the description has a field for all that can be asked of the REST API and all that it tells', () => {
  assert.deepEqual(Object.keys(CreateSandboxRequest.fields).sort(), Object.keys(CreateSandbox.properties).sort())
  assert.deepEqual(Object.keys(Sandbox.fields).sort(), Object.keys(SandboxView.properties).sort())
})

test('a sandbox is made, shown, listed and ended by gRPC over a port without TLS', async () => {
  assert.equal(made.state, 'running')
  assert.deepEqual(made.metadata, { made: 'here' })
  assert.ok(made.runtime.driver)
  const shown = await asked(client, 'GetSandbox', { id }, meta)
  const twin = await platform.json('GET', `/v1/sandboxes/${id}`)
  assert.equal(shown.limits.memoryMb, twin.limits.memoryMb)
  assert.equal(shown.ports.urlTemplate, twin.ports.urlTemplate)
  assert.equal(timeOf(shown.expiresAt), twin.expiresAt)
  const other = await asked(
    client,
    'CreateSandbox',
    { metadata: { made: 'there' }, limits: { memoryMb: 64, cpuCores: 0.5 } },
    meta,
  )
  assert.equal(other.limits.cpuCores, 0.5)
  const page = await asked(client, 'ListSandboxes', { limit: 1 }, meta)
  assert.deepEqual(
    page.sandboxes.map((one: Answer) => one.id),
    [other.id],
  )
  const next = await asked(client, 'ListSandboxes', { cursor: page.nextCursor, metadata: { made: 'here' } }, meta)
  assert.deepEqual(
    next.sandboxes.map((one: Answer) => one.id),
    [id],
  )
  await asked(client, 'KillSandbox', { id: other.id }, meta)
  assert.equal(await codeOf(asked(client, 'GetSandbox', { id: other.id }, meta)), 'NOT_FOUND not_found')
})

test('ExecuteCode streams what is written as it comes, then how it ended', async () => {
  const events = await all(
    client.ExecuteCode({ id, code: 'import sys; print("é"); sys.stderr.write("w"); sys.exit(3)' }, meta),
  )
  assert.ok(events[0].started.pid > 0)
  assert.equal(textOf(events, 'stdout'), 'é\n')
  assert.equal(textOf(events, 'stderr'), 'w')
  const { exit } = events.at(-1)
  assert.deepEqual([exit.exitCode, exit.reason, exit.truncated], [3, 'exited', false])
  const listed = await all(
    client.ExecuteCode({ id, argv: ['/bin/cat'], stdin: 'in', env: { A: 'b' }, cwd: '/tmp' }, meta),
  )
  assert.equal(textOf(listed, 'stdout'), 'in')
  const ended = await all(client.ExecuteCode({ id, command: 'kill -9 $$' }, meta))
  assert.deepEqual([ended.at(-1).exit.signal, ended.at(-1).exit.reason], ['SIGKILL', 'signaled'])
})

test('a client that goes away ends its program', async () => {
  const call = client.ExecuteCode({ id, command: 'echo here; exec sleep 987' }, meta)
  call.on('error', () => {})
  await new Promise((resolve) => call.on('data', (event: Answer) => event.stdout && resolve(event)))
  assert.equal(await running('sleep 987'), 1)
  call.cancel()
  await until('the program is gone', async () => (await running('sleep 987')) === 0)
})

test('a deadline ends a program, and an answer that comes too late', async () => {
  const deadline = Date.now() + 700
  const late = all(client.ExecuteCode({ id, command: 'exec sleep 986' }, meta, { deadline }))
  assert.match(await codeOf(late), /^DEADLINE_EXCEEDED/)
  await until('the program is gone', async () => (await running('sleep 986')) === 0)
  // A client that does not keep its own time.
  const session = http2.connect(platform.url)
  const stream = session.request({ ...head('ExecuteCode'), 'grpc-timeout': '300m' })
  stream.end(enveloped({ id, command: 'exec sleep 985' }))
  const trailers = await new Promise<Answer>((resolve) => stream.on('trailers', resolve).resume())
  assert.equal(trailers['grpc-status'], '4')
  await until('the program is gone', async () => (await running('sleep 985')) === 0)
  session.close()
})

test('files of any size go up and down as streams', async () => {
  const size = 48 * 1024 * 1024
  const part = Buffer.alloc(1024 * 1024, 'warren')
  const digest = createHash('sha256')
  const stat = await new Promise<Answer>((resolve, reject) => {
    const call = client.UploadFile(meta, (error: unknown, answer: Answer) => (error ? reject(error) : resolve(answer)))
    void (async () => {
      call.write({ target: { id, path: 'up/large.bin', mode: '0600' } })
      for (let sent = 0; sent < size; sent += part.length) {
        digest.update(part)
        if (!call.write({ data: part })) await new Promise((drained) => call.once('drain', drained))
      }
      call.end()
    })()
  })
  assert.deepEqual([stat.size, stat.mode, stat.name, stat.type], [size, '0600', 'large.bin', 'file'])
  const back = createHash('sha256')
  let bytes = 0
  let file: Answer
  for await (const message of client.DownloadFile({ id, path: stat.path }, meta)) {
    if (message.file) file = message.file
    else {
      back.update(message.data)
      bytes += message.data.length
    }
  }
  assert.deepEqual([file.size, bytes, back.digest('hex')], [size, size, digest.digest('hex')])
  const [, piece] = await all(client.DownloadFile({ id, path: stat.path, offset: 2, length: 4 }, meta))
  assert.equal(piece.data.toString(), 'rren')
  assert.match(textIn(await all(client.DownloadFile({ id, path: '/proc/version' }, meta))), /Linux/)
  assert.equal(await codeOf(all(client.DownloadFile({ id, path: '/tmp' }, meta))), 'INVALID_ARGUMENT invalid_request')
  assert.equal(await codeOf(all(client.DownloadFile({ id, path: '/none' }, meta))), 'NOT_FOUND not_found')
})

test('an upload that breaks off leaves nothing, by gRPC and by HTTP/2 as such', async () => {
  const call = client.UploadFile(meta, () => {})
  call.on('error', () => {})
  call.write({ target: { id, path: '/tmp/broken', size: 200_000 } })
  call.write({ data: Buffer.alloc(100_000) })
  const exists = async (path: string) => (await platform.call('GET', `/v1/sandboxes/${id}/files/stat?path=${path}`)).ok
  await until('it has begun', () => exists('/tmp/broken'))
  call.cancel()
  await until('nothing of it is left', async () => !(await exists('/tmp/broken')))
  for (const size of [0, 4, 6]) {
    const wrong = uploaded(meta, { target: { id, path: '/tmp/wrong', size } }, { data: Buffer.from('bytes') })
    assert.equal(await codeOf(wrong), 'INVALID_ARGUMENT invalid_request')
    assert.equal(await exists('/tmp/wrong'), false)
  }
  const socket = net.connect(platform.port, '127.0.0.1')
  const session = http2.connect(platform.url, { createConnection: () => socket })
  session.on('error', () => {})
  const put = session.request({
    ':method': 'PUT',
    ':path': `/v1/sandboxes/${id}/files?path=/tmp/put`,
    'x-api-key': platform.key,
    'content-type': 'application/octet-stream',
  })
  put.on('error', () => {})
  put.write(Buffer.alloc(100_000))
  await until('it has begun', () => exists('/tmp/put'))
  socket.destroy()
  await until('nothing of it is left', async () => !(await exists('/tmp/put')))
})

test('StreamLogs shows what was written, and follows it', async () => {
  await all(client.ExecuteCode({ id, command: 'echo for the log' }, meta))
  const held = await all(client.StreamLogs({ id }, meta))
  const line = held.find(({ data }) => data.toString() === 'for the log\n')
  assert.equal(line.stream, 'stdout')
  assert.deepEqual(await all(client.StreamLogs({ id, after: held.at(-1).seq }, meta)), [])
  const follow = client.StreamLogs({ id, after: held.at(-1).seq, follow: true }, meta)
  follow.on('error', () => {})
  const heard = new Promise<string>((resolve) => {
    follow.on('data', ({ data }: Answer) => /^later/.test(data.toString()) && resolve(data.toString()))
  })
  await all(client.ExecuteCode({ id, command: 'echo later' }, meta))
  assert.equal(await heard, 'later\n')
  follow.cancel()
})

test('CloneSandbox is a copy that goes on from the same moment, or the reason why there is none', async () => {
  const copy = await asked(client, 'CloneSandbox', { id, metadata: { a: 'copy' } }, meta).catch((error) => error)
  const twin = await platform.call('POST', `/v1/sandboxes/${id}/clone`, {})
  if (copy instanceof Error) {
    const { code } = await twin.json()
    const codes: Record<string, string> = { conflict: 'FAILED_PRECONDITION', invalid_request: 'INVALID_ARGUMENT' }
    assert.ok(code in codes, `the REST API answers ${twin.status}`)
    assert.equal(await codeOf(Promise.reject(copy)), `${codes[code]} ${code}`)
  } else {
    assert.deepEqual([copy.state, copy.metadata], ['running', { a: 'copy' }])
    await asked(client, 'KillSandbox', { id: copy.id }, meta)
    await asked(client, 'KillSandbox', { id: (await twin.json()).id }, meta)
  }
})

test('refusals have the code of the protocol and the problem of the REST API in the details', async () => {
  for (const [method, input, expected] of [
    ['GetSandbox', { id: 'snosuch' }, 'NOT_FOUND not_found'],
    ['GetSandbox', { id: 'a\0b' }, 'NOT_FOUND not_found'],
    ['GetSandbox', {}, 'NOT_FOUND not_found'],
    ['KillSandbox', { id: 'snosuch' }, 'NOT_FOUND not_found'],
    ['CloneSandbox', { id: 'snosuch' }, 'NOT_FOUND not_found'],
    ['CreateSandbox', { template: 'nosuch' }, 'NOT_FOUND not_found'],
    ['CreateSandbox', { timeout: 0 }, 'INVALID_ARGUMENT invalid_request'],
    ['CreateSandbox', { env: { 'no name': 'x' } }, 'INVALID_ARGUMENT invalid_request'],
    ['CreateSandbox', { env: { ['__proto__']: 'x', '': 'y' } }, 'INVALID_ARGUMENT invalid_request'],
    ['CreateSandbox', { onTimeout: 'explode' }, 'INVALID_ARGUMENT invalid_request'],
    ['CreateSandbox', { limits: { memoryMb: 1 } }, 'INVALID_ARGUMENT invalid_request'],
    ['ListSandboxes', { limit: 100_000 }, 'INVALID_ARGUMENT invalid_request'],
  ] as const)
    assert.equal(await codeOf(asked(client, method, input, meta)), expected, `${method} ${JSON.stringify(input)}`)
  for (const [input, expected] of [
    [{ id: 'snosuch', code: '1' }, 'NOT_FOUND not_found'],
    [{ id }, 'INVALID_ARGUMENT invalid_request'],
    [{ id, code: '1', command: 'x' }, 'INVALID_ARGUMENT invalid_request'],
    [{ id, argv: ['x'], command: 'x' }, 'INVALID_ARGUMENT invalid_request'],
    [{ id, command: 'x', user: 'nobodyknows' }, 'NOT_FOUND not_found'],
  ] as const)
    assert.equal(await codeOf(all(client.ExecuteCode(input, meta))), expected, JSON.stringify(input))
  const wrong = await asked(client, 'CreateSandbox', { limits: { memoryMb: 1 } }, meta).catch((error) => error)
  assert.match(wrong.details, /message field "limits.memoryMb" must be >= 16, not 1/)
  for (const messages of [[], [{ data: Buffer.from('x') }], [{ target: { id: 'snosuch', path: '/tmp/x' } }]])
    assert.match(await codeOf(uploaded(meta, ...messages)), /^(INVALID_ARGUMENT invalid_request|NOT_FOUND not_found)$/)
})

test('a key is asked for, and only as much is allowed as by the REST API', async () => {
  assert.equal(
    await codeOf(asked(client, 'GetSandbox', { id }, new grpc.Metadata())),
    'UNAUTHENTICATED unauthenticated',
  )
  assert.equal(
    await codeOf(asked(client, 'GetSandbox', { id }, metaOf(`e2b_${'0'.repeat(40)}`))),
    'UNAUTHENTICATED unauthenticated',
  )
  assert.equal(await codeOf(all(client.StreamLogs({ id }, new grpc.Metadata()))), 'UNAUTHENTICATED unauthenticated')
  const bearer = new grpc.Metadata()
  bearer.set('authorization', `Bearer ${platform.key}`)
  assert.equal((await asked(client, 'GetSandbox', { id }, bearer)).id, id)
  const document = await platform.json('GET', '/openapi.json')
  const permissions = new Map<string, string>()
  for (const methods of Object.values<Answer>(document.paths))
    for (const one of Object.values<Answer>(methods)) permissions.set(one.operationId, one['x-permission'])
  const twins = {
    ...{ CreateSandbox: 'createSandbox', GetSandbox: 'getSandbox', ListSandboxes: 'listSandboxes' },
    ...{ ExecuteCode: 'execute', CloneSandbox: 'cloneSandbox', KillSandbox: 'removeSandbox' },
    ...{ UploadFile: 'writeFile', DownloadFile: 'readFile', StreamLogs: 'readLogs' },
  }
  const scopes = ['sandboxes:read', 'sandboxes:write', 'sandboxes:exec']
  const keys = await Promise.all(
    scopes.map(async (scope) => [
      scope,
      (await platform.json('POST', '/v1/keys', { name: scope, scopes: [scope] })).key,
    ]),
  )
  for (const [method, operation] of Object.entries(twins)) {
    const { kind } = SandboxService.methods[method as keyof typeof twins]
    for (const [scope, key] of keys) {
      const input = method === 'CreateSandbox' ? { template: 'nosuch' } : { id: 'snosuch', code: '1', path: '/x' }
      const called =
        kind === 'server-stream'
          ? all(client[method](input, metaOf(key)))
          : kind === 'unary'
            ? asked(client, method, input, metaOf(key))
            : uploaded(metaOf(key), { target: input })
      const code = await codeOf(called).catch(() => 'OK')
      assert.equal(
        code.startsWith('PERMISSION_DENIED'),
        permissions.get(operation) !== scope,
        `${method} with ${scope}: ${code}`,
      )
    }
  }
})

test('what is of another organisation is not there, and quotas hold', async () => {
  const { id: org } = await platform.json('POST', '/v1/orgs', { name: 'strangers' })
  await platform.json('PATCH', `/v1/orgs/${org}`, { maxSandboxes: 1 })
  const theirs = metaOf(platform.key)
  theirs.set('warren-organisation', org)
  for (const method of ['GetSandbox', 'KillSandbox', 'CloneSandbox'])
    assert.equal(await codeOf(asked(client, method, { id }, theirs)), 'NOT_FOUND not_found', method)
  for (const method of ['ExecuteCode', 'DownloadFile', 'StreamLogs'])
    assert.equal(
      await codeOf(all(client[method]({ id, code: '1', path: '/x' }, theirs))),
      'NOT_FOUND not_found',
      method,
    )
  assert.equal(await codeOf(uploaded(theirs, { target: { id, path: '/tmp/x' } })), 'NOT_FOUND not_found')
  const first = await asked(client, 'CreateSandbox', {}, theirs)
  assert.equal(await codeOf(asked(client, 'CreateSandbox', {}, theirs)), 'RESOURCE_EXHAUSTED limit_exceeded')
  const { sandboxes } = await asked(client, 'ListSandboxes', {}, theirs)
  assert.deepEqual(
    sandboxes.map((one: Answer) => one.id),
    [first.id],
  )
  await asked(client, 'KillSandbox', { id: first.id }, theirs)
})

test('what is called stands in the audit log, with its result', async () => {
  const found = async () => {
    const { entries } = await platform.json('GET', '/v1/audit?limit=500')
    return entries.filter(({ details }: Answer) => details?.via === 'grpc')
  }
  await until('all is told', async () => {
    const told = (await found()).map((one: Answer) => `${one.action} ${one.outcome} ${one.status ?? ''}`)
    return [
      'sandbox.create done 200',
      'sandbox.remove done 200',
      'sandbox.remove refused 404',
      'sandbox.execute begun ',
      'sandbox.execute done 200',
      'sandbox.execute failed 499',
      'file.write done 200',
      'file.write refused 400',
      'file.read done 200',
    ].every((line) => told.includes(line))
  })
  const created = (await found()).find((one: Answer) => one.action === 'sandbox.create' && one.subject === id)
  assert.equal(created.outcome, 'done')
})

test('clients of Connect have the same, over HTTP/1.1 and HTTP/2, binary and as JSON', async () => {
  for (const httpVersion of ['1.1', '2'] as const)
    for (const useBinaryFormat of [true, false]) {
      const transport = createConnectTransport({
        baseUrl: platform.url,
        httpVersion,
        useBinaryFormat,
        interceptors: [withKey],
      })
      await everyMethod(createClient(service as Answer, transport))
    }
  await everyMethod(
    createClient(service as Answer, createGrpcTransport({ baseUrl: platform.url, interceptors: [withKey] })),
  )
})

test('curl needs no client at all', async () => {
  const answer = await platform.call('POST', '/warren.v1.SandboxService/GetSandbox', { id })
  assert.equal(answer.status, 200)
  assert.equal((await answer.json()).id, id)
  assert.ok(answer.headers.get('x-request-id'))
  const refused = await platform.call('POST', '/warren.v1.SandboxService/GetSandbox', { id: 'snosuch' })
  assert.equal(refused.status, 404)
  const { code, details } = await refused.json()
  assert.equal(code, 'not_found')
  assert.equal(details[0].debug.requestId, refused.headers.get('x-request-id'))
  assert.equal((await platform.call('GET', '/warren.v1.SandboxService/GetSandbox')).status, 405)
  const unknown = await platform.call('POST', '/warren.v1.SandboxService/Explode', {})
  assert.deepEqual([unknown.status, (await unknown.json()).code], [501, 'unimplemented'])
  const typeless = await platform.call('POST', '/warren.v1.SandboxService/GetSandbox', 'x')
  assert.equal(typeless.status, 415)
  assert.equal(
    (
      await platform.call('POST', '/warren.v1.SandboxService/GetSandbox', '{"id":1', {
        headers: { 'content-type': 'application/json' },
      })
    ).status,
    400,
  )
  const preflight = await platform.fetch('/warren.v1.SandboxService/GetSandbox', {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
  })
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://app.example')
})

test('gRPC over TLS goes to the same port', async () => {
  const ca = await readFile(join(platform.home, 'tls', `${domain}.pem`))
  const secure = grpcClient(`ipv4:127.0.0.1:${platform.port}`, grpc.credentials.createSsl(ca, null, null, {}), {
    'grpc.ssl_target_name_override': `api.${domain}`,
    'grpc.default_authority': `api.${domain}`,
  })
  assert.equal((await asked(secure, 'GetSandbox', { id }, meta)).id, id)
  secure.close()
})

test('nonsense is answered or cut off, and the platform goes on', async () => {
  const texts = [
    'PRI',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nnonsense',
    'PRI * HTTP/1.1\r\n\r\n',
    'P',
  ]
  for (const text of texts) {
    const socket = net.connect(platform.port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise((resolve) => socket.write(text, resolve))
    assert.equal((await asked(client, 'GetSandbox', { id }, meta)).id, id)
    socket.destroy()
  }
  const slow = net.connect(platform.port, '127.0.0.1')
  slow.setNoDelay(true)
  for (const piece of ['P', 'O', 'ST /health HTTP/1.1\r\n', 'host: x\r\n\r\n']) {
    await new Promise((resolve) => slow.write(piece, resolve))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.match(String(await new Promise((resolve) => slow.once('data', resolve))), /^HTTP\/1.1 405/)
  slow.destroy()
  const session = http2.connect(platform.url)
  const tell = async (bytes: Buffer, more: object = {}) => {
    const stream = session.request({ ...head('GetSandbox'), ...more })
    stream.end(bytes)
    let headers: Answer
    stream.on('response', (given) => (headers = given))
    const trailers = new Promise<Answer>((resolve) => stream.on('trailers', resolve))
    await new Promise((resolve) => stream.on('close', resolve).resume())
    return headers[':status'] === 200 ? (await trailers)['grpc-status'] : headers[':status']
  }
  assert.equal(await tell(Buffer.alloc(0)), '3')
  assert.equal(await tell(Buffer.from([0, 0, 0, 0, 9, 1])), '3')
  assert.equal(await tell(Buffer.from([1, 0, 0, 0, 0])), '12')
  assert.equal(await tell(Buffer.from([0, 0, 0, 0, 3, 0x0a, 0x7f, 1])), '3')
  assert.equal(await tell(Buffer.from([0, 255, 255, 255, 255])), '8')
  assert.equal(await tell(enveloped({ id }), { 'content-type': 'application/grpc+thrift' }), 415)
  assert.equal(await tell(enveloped({ id })), '0')
  session.close()
})

test('the platform ends streams in good order when it stops', async () => {
  const follow = client.StreamLogs({ id, follow: true }, meta)
  const ended = codeOf(all(follow))
  await until('it follows', async () => (await all(client.StreamLogs({ id }, meta))).length > 0)
  await platform.kill('SIGTERM')
  assert.match(await ended, /^UNAVAILABLE/)
  await platform.start()
})

async function everyMethod(connect: Answer): Promise<void> {
  const mine = await connect.createSandbox({ metadata: { by: 'connect' } })
  const subject = { id: mine.id }
  assert.equal((await connect.getSandbox(subject)).metadata.by, 'connect')
  assert.ok((await connect.listSandboxes({ metadata: { by: 'connect' } })).sandboxes.length >= 1)
  const events = await all(connect.executeCode({ ...subject, code: 'print(6 * 7)' }))
  assert.equal(Buffer.from(events[1].event.value.data).toString(), '42\n')
  assert.equal(events.at(-1).event.value.exitCode, 0)
  const stat = await connect.uploadFile(parts(mine.id))
  assert.equal(stat.size, 9n)
  const [first, ...rest] = await all(connect.downloadFile({ ...subject, path: '/tmp/parts' }))
  assert.equal(first.part.value.path, '/tmp/parts')
  assert.equal(Buffer.concat(rest.map(({ part }: Answer) => part.value)).toString(), 'some more')
  assert.ok((await all(connect.streamLogs(subject))).some(({ data }) => Buffer.from(data).toString() === '42\n'))
  const failed = await connect.getSandbox({ id: 'snosuch' }).catch((error: unknown) => ConnectError.from(error))
  assert.equal(failed.code, Code.NotFound)
  const [found] = failed.findDetails(problem)
  assert.equal(found.code, 'not_found')
  assert.ok(found.requestId)
  const late = await all(connect.executeCode({ ...subject, command: 'exec sleep 984' }, { timeoutMs: 500 })).catch(
    (error) => error,
  )
  assert.equal(ConnectError.from(late).code, Code.DeadlineExceeded)
  const gone = new AbortController()
  const cut = all(connect.executeCode({ ...subject, command: 'exec sleep 983' }, { signal: gone.signal })).catch(
    (error) => error,
  )
  await until('it runs', async () => (await running('sleep 983', mine.id)) === 1)
  gone.abort()
  assert.equal(ConnectError.from(await cut).code, Code.Canceled)
  await until('both programs are gone', async () => (await running('sleep 98[34]', mine.id)) === 0)
  await connect.killSandbox(subject)
}

/** An upload of these messages. */
function uploaded(by: grpc.Metadata, ...messages: object[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = client.UploadFile(by, (error: unknown, answer: Answer) => (error ? reject(error) : resolve(answer)))
    for (const message of messages) call.write(message)
    call.end()
  })
}

async function* parts(sandbox: string): AsyncGenerator<Answer> {
  yield { part: { case: 'target', value: { id: sandbox, path: '/tmp/parts' } } }
  yield { part: { case: 'data', value: Buffer.from('some ') } }
  yield { part: { case: 'data', value: Buffer.from('more') } }
}

function metaOf(key: string): grpc.Metadata {
  const meta = new grpc.Metadata()
  meta.set('x-api-key', key)
  return meta
}

/** The code of gRPC and that of the problem in the details. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  const error: Answer = await call.then(
    () => assert.fail('it was not refused'),
    (error) => error,
  )
  if (typeof error.code !== 'number') throw error
  const name = grpc.status[error.code]
  const status = error.metadata?.get('grpc-status-details-bin')[0]
  if (!status) return name!
  // google.rpc.Status: the details are its third field, the value of an Any its second.
  const found = Buffer.from(status)
  const at = found.indexOf('type.googleapis.com/warren.v1.Problem')
  assert.ok(at > 0)
  const value = found.subarray(at + 'type.googleapis.com/warren.v1.Problem'.length)
  const skip = value[1]! & 0x80 ? 3 : 2
  const { code, message, requestId } = fromBinary(Problem, value.subarray(skip))
  assert.equal(message, error.details)
  assert.match(requestId, /^r/)
  return `${name} ${code}`
}

function head(method: string): Record<string, string> {
  return {
    ':method': 'POST',
    ':path': `/${SandboxService.name}/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    'x-api-key': platform.key,
  }
}

/** The two fields that are text in every message that is used here. */
function enveloped({ id, command }: { id: string; command?: string }): Buffer {
  const field = (number: number, text: string) =>
    Buffer.concat([Buffer.from([(number << 3) | 2, text.length]), Buffer.from(text)])
  const body = Buffer.concat([field(1, id), ...(command ? [field(4, command)] : [])])
  return Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body])
}

function textOf(events: Answer[], stream: 'stdout' | 'stderr'): string {
  return Buffer.concat(events.flatMap((event) => (event[stream] ? [event[stream].data] : []))).toString()
}

function textIn(messages: Answer[]): string {
  return Buffer.concat(messages.flatMap(({ data }) => (data ? [data] : []))).toString()
}

function timeOf({ seconds, nanos }: { seconds: number; nanos: number }): string {
  return new Date(seconds * 1000 + nanos / 1_000_000).toISOString()
}

async function running(pattern: string, of = id): Promise<number> {
  const { processes } = await platform.json('GET', `/v1/sandboxes/${of}/processes`)
  return processes.filter(
    ({ command, state }: Answer) => state === 'running' && new RegExp(pattern).test(command.join(' ')),
  ).length
}

function withKey(next: Answer): Answer {
  return (request: Answer) => {
    request.header.set('x-api-key', platform.key)
    return next(request)
  }
}
