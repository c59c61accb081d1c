import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { absent } from '../../src/http/e2b/absent.ts'
import { PathRequest } from '../../src/http/e2b/envd/filesystem-messages.ts'
import { EventResponse, StartRequest } from '../../src/http/e2b/envd/process-messages.ts'
import { fromBinary, toBinary } from '../../src/http/rpc/binary.ts'
import { type Answer, lacksOf, startPlatform, until } from '../platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)
const sandbox = await create()
const id: string = sandbox.sandboxID

test('the control plane answers with the statuses of the contract', async () => {
  const old = await platform.call('POST', '/sandboxes', {
    templateID: 'base:default',
    secure: true,
    timeout: 300,
    allow_internet_access: true,
    autoPause: false,
    metadata: { old: 'yes' },
  })
  assert.equal(old.status, 201)
  const made = await old.json()
  assert.match(made.sandboxID, /^[a-z0-9]+$/)
  assert.equal(made.domain, `localhost:${platform.port}`)
  assert.match(made.envdAccessToken, /^[0-9a-f]{64}$/)
  const path = `/sandboxes/${made.sandboxID}`
  for (const [method, at, body, status] of [
    ['POST', `${path}/connect`, { timeout: 10 }, 200],
    ['POST', `/v2${path}/connect`, {}, 200],
    ['POST', `${path}/timeout`, { timeout: 100 }, 204],
    ['POST', `${path}/refreshes`, { duration: 200 }, 204],
    ['GET', path, undefined, 200],
    ['GET', `${path}/metrics`, undefined, 200],
    ['GET', `${path}/logs`, undefined, 200],
    ['GET', `/v2${path}/logs?limit=10&direction=backward`, undefined, 200],
    ['GET', `/sandboxes/metrics?sandbox_ids=${made.sandboxID},none`, undefined, 200],
    ['GET', '/sandboxes?metadata=old%3Dyes', undefined, 200],
    ['POST', `${path}/timeout`, { timeout: 0 }, 204],
    ['GET', path, undefined, 404],
    ['DELETE', path, undefined, 404],
    ['POST', `${path}/connect`, { timeout: 10 }, 404],
    ['POST', `${path}/timeout`, { timeout: 10 }, 404],
  ] as const) {
    const answer = await platform.call(method, at, body)
    assert.equal(answer.status, status, `${method} ${at}: ${await answer.clone().text()}`)
    if (status !== 404) continue
    const message = `Sandbox "${made.sandboxID}" doesn't exist or you don't have access to it`
    assert.deepEqual(await answer.json(), { code: 404, message })
  }
})

test('lists have an order, pages, filters and a total', async () => {
  const made = [await create({ metadata: { l: 'a' } }), await create({ metadata: { l: 'a' } })]
  const [older, newer] = made.map(({ sandboxID }) => sandboxID)
  const list = async (query: string) => platform.call('GET', `/v2/sandboxes?metadata=l%3Da&${query}`)
  const ids = async (query: string) => (await (await list(query)).json()).map((one: Answer) => one.sandboxID)
  assert.deepEqual(await ids(''), [newer, older])
  assert.deepEqual(await ids('order=asc'), [older, newer])
  const page = await list('order=asc&limit=1')
  assert.equal(page.headers.get('x-total-running'), '2')
  const token = page.headers.get('x-next-token')!
  const second = await list(`order=asc&limit=1&nextToken=${token}`)
  assert.equal(second.headers.get('x-next-token'), null)
  assert.deepEqual((await second.json())[0].sandboxID, newer)
  assert.deepEqual(await (await list(`nextToken=${token}`)).json(), { code: 400, message: 'Invalid next token' })
  const { startedAt } = (await (await list('')).json())[0]
  assert.deepEqual(await ids(`startedAfter=${startedAt}`), [newer], 'inclusive')
  assert.deepEqual(await ids('template=base&state=running'), [newer, older])
  assert.deepEqual(await ids('template=unknown'), [])
  assert.deepEqual(await ids('state=paused'), [])
  for (const wrong of ['template=base:x', 'state=on', 'limit=0', 'limit=101', 'startedAfter=now', 'order=up', 'x=1'])
    assert.equal((await list(wrong)).status, 400, wrong)
  await Promise.all(made.map(({ sandboxID }) => platform.call('DELETE', `/sandboxes/${sandboxID}`)))
})

test('what cannot be honoured is refused by its name', async () => {
  for (const [field, value] of Object.entries({
    secure: false,
    autoPauseMemory: false,
    mcp: 1,
    iam: { tokens: { aws: { audience: 'sts.amazonaws.com', tokenType: 'x' } } },
    network: { nothing: 1 },
    unheardOf: 1,
  })) {
    const answer = await platform.call('POST', '/v2/sandboxes', { templateID: 'base', [field]: value })
    const { code, message } = await answer.json()
    assert.deepEqual([answer.status, code], [400, 400], message)
    assert.match(message, new RegExp(`"${field}`))
  }
  for (const body of [
    {},
    { templateID: 'base', iam: { tokens: { aws: { audience: 'a\u0000b', tokenType: 'JWT-SVID' } } } },
    { templateID: 5 },
    { templateID: 'base', timeout: 0 },
    { templateID: 'base', timeout: 90_000 },
  ])
    assert.equal((await platform.call('POST', '/v2/sandboxes', body)).status, 400)
  const label = await platform.call('POST', '/v2/sandboxes', {
    templateID: 'base',
    metadata: { 'warren.ports': 'key' },
  })
  assert.equal(label.status, 400)
  const keyless = await platform.fetch('/v2/sandboxes')
  assert.deepEqual([keyless.status, (await keyless.json()).code], [401, 401])
})

test('what is absent says what is missing', async () => {
  for (const [method, path, missing] of absent) {
    const at = path.replaceAll(/:\w+/g, 'team%2Fname%3Atag')
    const answer = await platform.call(method, at, method === 'GET' || method === 'DELETE' ? undefined : {})
    assert.deepEqual([answer.status, await answer.json()], [501, { code: 501, message: missing }], `${method} ${at}`)
  }
})

test('the inside of a sandbox opens to its own token alone', async () => {
  const other = await create()
  for (const [headers, status] of [
    [{ 'x-access-token': undefined }, 401],
    [{ 'x-access-token': 'wrong' }, 401],
    [{ 'x-access-token': other.envdAccessToken }, 401],
    [{ 'x-access-token': other.trafficAccessToken ?? 'none' }, 401],
    [{ 'e2b-sandbox-id': undefined }, 400],
    [{ 'e2b-sandbox-port': undefined }, 400],
    [{ 'e2b-sandbox-id': '../x' }, 400],
    [{ 'e2b-sandbox-port': '99999' }, 400],
    [{ 'e2b-sandbox-id': 'nosuch' }, 502],
    [{}, 200],
  ] as const) {
    const answer = await inside('GET', '/envs', { headers })
    assert.equal(answer.status, status, JSON.stringify(headers))
    if (status !== 200) assert.equal(JSON.parse(answer.body.toString()).code, status)
  }
  const health = await inside('GET', '/health', { headers: { 'x-access-token': undefined } })
  assert.deepEqual([health.status, health.headers['cache-control']], [204, 'no-store'])
  const signedByOther = `/files?path=/etc/passwd&signature=v1_${'A'.repeat(43)}`
  assert.equal((await platform.fetch(signedByOther)).status, 401)
  for (const path of ['/init', '/freeze', '/upgrade', '/process.Process/None', '/constructor/x', '//', '/%00', '/?'])
    assert.equal((await inside('POST', path)).status, 404, path)
  // A host name that names a sandbox is not overruled by headers.
  const named = await inside('GET', '/envs', { headers: { host: `49983-${other.sandboxID}.localhost` } })
  assert.equal(named.status, 401)
  await platform.call('DELETE', `/sandboxes/${other.sandboxID}`)
})

test('GET /metrics and /envs tell of the sandbox', async () => {
  const withEnv = await create({ envVars: { COLOUR: 'blue' } })
  const headers = { 'e2b-sandbox-id': withEnv.sandboxID, 'x-access-token': withEnv.envdAccessToken }
  const own = { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: withEnv.sandboxID, COLOUR: 'blue' }
  assert.deepEqual(JSON.parse((await inside('GET', '/envs', { headers })).body.toString()), own)
  const metrics = JSON.parse((await inside('GET', '/metrics', { headers })).body.toString())
  assert.ok(metrics.mem_total_mib === 512 && metrics.ts > 1_700_000_000 && metrics.disk_total > 0)
  await platform.call('DELETE', `/sandboxes/${withEnv.sandboxID}`)
})

test('procedures speak JSON and binary protobuf, with errors where clients look for them', async () => {
  const stat = await rpc('filesystem.Filesystem/Stat', { path: '/etc/passwd' })
  assert.equal(stat.json.entry.permissions, '-rw-r--r--')
  const missing = await rpc('filesystem.Filesystem/Stat', { path: '/none' })
  assert.deepEqual([missing.status, missing.json], [404, { code: 'not_found', message: "path '/none' does not exist" }])
  assert.equal((await rpc('filesystem.Filesystem/Stat', { path: '~other/x' })).json.code, 'invalid_argument')
  assert.equal((await rpc('filesystem.Filesystem/MakeDir', { path: '/etc' })).status, 409)

  const binary = await inside('POST', '/filesystem.Filesystem/Stat', {
    headers: { 'content-type': 'application/proto' },
    body: toBinary(PathRequest, { path: '/etc/passwd' }),
  })
  assert.equal(binary.status, 200)
  assert.ok(binary.body.includes('/etc/passwd'))

  const start = toBinary(StartRequest, { process: { cmd: '/bin/sh', args: ['-c', 'printf x; exit 4'] }, stdin: false })
  const streamed = await inside('POST', '/process.Process/Start', {
    headers: { 'content-type': 'application/connect+proto' },
    body: envelope(start),
  })
  const frames = envelopes(streamed.body)
  const events = frames.slice(0, -1).map(({ bytes }) => fromBinary(EventResponse, bytes).event)
  assert.ok((events[0]?.start?.pid ?? 0) > 0)
  assert.equal(events.map((event) => event?.data?.stdout?.toString() ?? '').join(''), 'x')
  assert.deepEqual(events.at(-1)?.end, { exitCode: 4, exited: true, status: 'exit status 4', error: 'exit status 4' })
  assert.deepEqual([frames.at(-1)?.flags, frames.at(-1)?.bytes.toString()], [2, '{}'])

  const watch = await stream('filesystem.Filesystem/WatchDir', { path: '/none' })
  assert.equal(watch.status, 200)
  assert.equal(watch.frames.at(-1)!.json.error.code, 'not_found')
  const late = await stream('process.Process/Start', command('sleep 60'), { 'connect-timeout-ms': '400' })
  assert.equal(late.frames.at(-1)!.json.error.code, 'deadline_exceeded')
  const killed = await stream('process.Process/Start', command('kill -9 $$'))
  const { end } = killed.frames.at(-2)!.json.event
  assert.deepEqual(end, { exitCode: -1, status: 'signal: killed', error: 'signal: killed' })
})

test('a silent stream says that it is there', async () => {
  const { frames } = await stream('process.Process/Start', command('sleep 2.5'), { 'keepalive-ping-interval': '1' })
  assert.ok(frames.some(({ json }) => json.event?.keepalive))
})

test('input that a process does not take, or no more, is an internal error, as in the protocol; closing again is none', async () => {
  for (const [tag, text, stdin] of [
    ['deaf', 'exec sleep 60', false],
    ['sated', 'cat; exec sleep 60', true],
  ] as const) {
    const running = stream('process.Process/Start', { ...command(text), stdin, tag })
    const isThere = ({ tag: other }: { tag?: string }) => other === tag
    await until('it runs', async () => ((await rpc('process.Process/List', {})).json.processes ?? []).some(isThere))
    const selector = { process: { tag } }
    const send = () => rpc('process.Process/SendInput', { ...selector, input: { stdin: 'eA==' } })
    if (stdin) assert.equal((await send()).status, 200)
    for (let time = 0; time < 2; time++) assert.equal((await rpc('process.Process/CloseStdin', selector)).status, 200)
    const { status, json } = await send()
    assert.deepEqual([status, json.code], [500, 'internal'])
    await rpc('process.Process/SendSignal', { ...selector, signal: 'SIGNAL_SIGKILL' })
    await running
    assert.equal((await send()).json.code, 'not_found')
  }
})

test('input comes as a stream too, to a process found by its tag', async () => {
  const request = { ...command('cat'), stdin: true, tag: 'reader' }
  const running = stream('process.Process/Start', request)
  await until('it runs', async () => ((await rpc('process.Process/List', {})).json.processes ?? []).some(tagged))
  const input = (text: string) => ({ data: { input: { stdin: Buffer.from(text).toString('base64') } } })
  const sent = await inside('POST', '/process.Process/StreamInput', {
    headers: { 'content-type': 'application/connect+json' },
    body: Buffer.concat(
      [{ start: { process: { tag: 'reader' } } }, input('one '), { keepalive: {} }, input('two')].map((message) =>
        envelope(Buffer.from(JSON.stringify(message))),
      ),
    ),
  })
  assert.deepEqual(
    envelopes(sent.body).map(({ flags }) => flags),
    [0, 2],
  )
  const selector = { process: { tag: 'reader' } }
  assert.equal((await rpc('process.Process/SendInput', { ...selector, input: { pty: 'eA==' } })).json.code, 'internal')
  assert.equal((await rpc('process.Process/CloseStdin', selector)).status, 200)
  const { frames } = await running
  const output = frames.map(({ json }) => Buffer.from(json.event?.data?.stdout ?? '', 'base64').toString()).join('')
  assert.equal(output, 'one two')
  assert.equal((await rpc('process.Process/SendSignal', { ...selector, signal: 'SIGNAL_SIGKILL' })).status, 404)
  const ended = await stream('process.Process/Connect', selector)
  assert.ok(ended.frames.at(-2)!.json.event.end, 'the end of one that ended just now is still told')
})

test('a watcher has told everything when a write has returned', async () => {
  await rpc('filesystem.Filesystem/MakeDir', { path: 'seen' })
  const { watcherId } = (await rpc('filesystem.Filesystem/CreateWatcher', { path: 'seen', includeEntry: true })).json
  for (const round of [1, 2, 3]) {
    await write(`/files?path=seen/${round}`, 'x')
    const { events } = (await rpc('filesystem.Filesystem/GetWatcherEvents', { watcherId })).json
    const types = events.map(({ type }: Answer) => type)
    assert.deepEqual(types, ['EVENT_TYPE_CREATE', 'EVENT_TYPE_CHMOD', 'EVENT_TYPE_WRITE'])
    assert.equal(events[2].entry.path, `/home/user/seen/${round}`)
  }
  assert.deepEqual((await rpc('filesystem.Filesystem/GetWatcherEvents', { watcherId })).json, {})
  assert.equal((await rpc('filesystem.Filesystem/RemoveWatcher', { watcherId })).status, 200)
  assert.equal((await rpc('filesystem.Filesystem/GetWatcherEvents', { watcherId })).status, 404)
})

test('files are compressed, cut and compared as asked', async () => {
  const text = 'line\n'.repeat(1000)
  const body = gzipSync(text)
  const up = await write('/files?path=z.txt', body, { 'content-encoding': 'gzip' })
  assert.equal(up.status, 200, up.body.toString())
  const read = (headers: Record<string, string>) => inside('GET', '/files?path=z.txt', { headers })
  const plain = await read({})
  assert.equal(plain.body.toString(), text)
  assert.equal(plain.headers['content-disposition'], 'inline; filename=z.txt')
  const zipped = await read({ 'accept-encoding': 'gzip, deflate' })
  assert.equal(zipped.headers['content-encoding'], 'gzip')
  assert.equal(gunzipSync(zipped.body).toString(), text)
  assert.equal((await read({ 'accept-encoding': '*' })).headers['content-encoding'], undefined)
  assert.equal((await read({ 'accept-encoding': 'br, identity;q=0' })).status, 406)
  const part = await read({ range: 'bytes=5-8', 'accept-encoding': 'gzip' })
  assert.deepEqual([part.status, part.headers['content-range'], part.body.toString()], [206, 'bytes 5-8/5000', 'line'])
  assert.equal((await read({ 'if-modified-since': plain.headers['last-modified']! })).status, 304)
  assert.equal((await read({ 'if-modified-since': new Date(0).toUTCString() })).status, 200)
  const head = await inside('HEAD', '/files?path=z.txt')
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '5000', 0])
  await write('/files?path=nothing', '')
  assert.equal((await inside('GET', '/files?path=nothing')).headers['content-length'], '0')
})

test('uploads that cannot be taken are refused, each with its reason', async () => {
  const twice = new FormData()
  twice.append('file', new Blob(['1']), '/tmp/same')
  twice.append('file', new Blob(['2']), '/tmp/../tmp/same')
  for (const [path, body, headers, reason] of [
    ['/files', 'x', {}, /"path" is needed/],
    ['/files?path=x', 'x', { 'content-type': 'text/plain' }, /text\/plain/],
    ['/files?path=x', 'x', { 'content-encoding': 'br' }, /"br"/],
    ['/files?path=x', 'no gzip', { 'content-encoding': 'gzip' }, /no gzip/],
    ['/files?path=/tmp', 'x', {}, /is a directory/],
    ['/files?path=x', 'x', { 'x-metadata-a': 'v'.repeat(4096) }, /4096 bytes/],
    ['/files?path=x', 'x', { [`x-metadata-${'k'.repeat(247)}`]: 'v' }, /246 bytes/],
    ['/files?path=x', 'x', { 'content-type': 'multipart/form-data' }, /multipart/],
    ['/files?path=x', '--b\r\nbroken', { 'content-type': 'multipart/form-data; boundary=b' }, /multipart/],
  ] as const) {
    const answer = await write(path, body, headers)
    assert.equal(answer.status, 400, `${reason}: ${answer.status} ${answer.body}`)
    assert.match(JSON.parse(answer.body.toString()).message, reason)
  }
  const form = new Response(twice)
  const doubled = await write('/files', Buffer.from(await form.arrayBuffer()), {
    'content-type': form.headers.get('content-type')!,
  })
  assert.match(`${doubled.status} ${doubled.body}`, /^400 .*same path/)
  const unknown = await write('/files?path=x&username=nobody-here', 'x')
  assert.match(`${unknown.status} ${unknown.body}`, /^401 .*error looking up user 'nobody-here'/)
  for (const path of ['/files?path=%00', '/files?path=~other/x', `/files?path=${'x/'.repeat(3000)}`])
    assert.equal((await inside('GET', path)).status, 400)
})

/** A connection that sends what it is told to, and what comes over it. */
function connection() {
  const socket = net.connect(platform.port, '127.0.0.1')
  let heard = ''
  let failure: unknown
  socket.on('data', (bytes) => {
    heard += bytes
  })
  socket.on('error', (error) => {
    failure = error
  })
  return { socket, heard: () => heard, failure: () => failure }
}

function head(method: string, path: string, more = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: ${id}\r\nE2b-Sandbox-Port: 49983\r\n${more}\r\n`
}

test('who is refused while a body is on its way hears of it, and goes on over the same connection', async () => {
  const { socket, heard, failure } = connection()
  socket.write(head('POST', '/files?path=x', 'X-Access-Token: wrong\r\nContent-Length: 300000\r\n'))
  socket.write('x'.repeat(100_000))
  await until('it is refused', () => heard().includes('"code":401'))
  for (let part = 0; part < 2; part++) socket.write('x'.repeat(100_000))
  socket.write(head('GET', '/health'))
  await until('the next is answered', () => heard().includes('204 No Content') || failure())
  assert.equal(failure(), undefined)
  socket.destroy()
})

test('who is refused while a body without end is on its way hears of it, and that the connection ends', async () => {
  const { socket, heard, failure } = connection()
  const ended = once(socket, 'end')
  socket.write(head('POST', '/files?path=x', 'X-Access-Token: wrong\r\nTransfer-Encoding: chunked\r\n'))
  const part = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  for (let parts = 0; parts < 100 && !heard().includes('"code":401'); parts++) {
    socket.write(part)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await ended
  assert.match(heard(), /^HTTP\/1.1 401 [\s\S]*connection: close[\s\S]*"code":401/i)
  assert.equal(failure(), undefined)
  socket.destroy()
})

test('a full disk is a 507', { skip: lacks.root && 'the disk of a sandbox here has another limit' }, async () => {
  const { id: small } = await platform.json('POST', '/v1/sandboxes', { limits: { diskMb: 16 } })
  const { envdAccessToken } = await platform.json('POST', `/sandboxes/${small}/connect`, { timeout: 60 })
  const headers = { 'e2b-sandbox-id': small, 'x-access-token': envdAccessToken }
  assert.equal((await write('/files?path=big', Buffer.alloc(32 << 20), headers)).status, 507)
  await platform.call('DELETE', `/sandboxes/${small}`)
})

test('several files are put together to one', async () => {
  await write('/files?path=part1', 'one ')
  await write('/files?path=part2', 'two')
  const compose = (body: string) => inside('POST', '/files/compose', { body: Buffer.from(body) })
  const made = await compose('{"source_paths":["part1","part2"],"destination":"whole"}')
  assert.equal(JSON.parse(made.body.toString()).path, '/home/user/whole')
  assert.equal((await inside('GET', '/files?path=whole')).body.toString(), 'one two')
  for (const body of ['', '[]', 'null', '{"source_paths":[],"destination":"x"}'])
    assert.equal((await compose(body)).status, 400)
})

test('nonsense is answered, and the platform goes on', async () => {
  const garbage = Buffer.from([0, 255, 255, 255, 255, 1, 2, 3])
  const tries: [string, Buffer | string, string][] = [
    ['/process.Process/Start', garbage, 'application/connect+json'],
    ['/process.Process/Start', garbage.subarray(0, 3), 'application/connect+proto'],
    ['/process.Process/Start', '', 'application/connect+json'],
    ['/process.Process/Start', envelope(Buffer.from('{"process":')), 'application/connect+json'],
    ['/process.Process/Start', envelope(Buffer.from('{"process":{"cmd":"x\\u0000"}}')), 'application/connect+json'],
    [
      '/process.Process/Start',
      envelope(Buffer.from('{"process":{"cmd":"/bin/true","envs":{"":"c"}}}')),
      'application/connect+json',
    ],
    ['/process.Process/List', garbage, 'application/proto'],
    ['/process.Process/List', '[]', 'application/json'],
    ['/process.Process/List', '{}', 'text/xml'],
    ['/process.Process/SendSignal', '{"process":{"pid":-1}}', 'application/json'],
    ['/filesystem.Filesystem/Stat', `${'['.repeat(100_000)}`, 'application/json'],
    ['/filesystem.Filesystem/ListDir', '{"path":"/etc/passwd"}', 'application/json'],
  ]
  for (const [path, body, type] of tries) {
    const answer = await inside('POST', path, { headers: { 'content-type': type }, body: Buffer.from(body) })
    if (type.startsWith('application/connect')) {
      assert.equal(answer.status, 200)
      assert.ok(JSON.parse(envelopes(answer.body).at(-1)!.bytes.toString()).error.code, path)
    } else assert.ok(answer.status >= 400 && answer.status < 500, `${path} ${answer.status} ${answer.body}`)
  }
  await new Promise((resolve) => {
    const socket = net.connect(platform.port, '127.0.0.1', () =>
      socket.end('GET // HTTP/1.1\r\nHost: sandbox.x\r\nE2b-Sandbox-Id: a\r\nE2b-Sandbox-Port: 49983\r\n\r\n'),
    )
    socket.on('close', resolve).resume()
  })
  assert.equal((await rpc('process.Process/List', {})).status, 200)
})

test('after a crash of the platform tokens hold and processes are still there', async () => {
  const running = stream('process.Process/Start', {
    ...command('while sleep 0.2; do echo beat; done'),
    tag: 'survivor',
  })
  const broken = assert.rejects(running)
  const before = await until('it runs', async () => {
    const { processes = [] } = (await rpc('process.Process/List', {})).json
    return processes.find(({ tag }: Answer) => tag === 'survivor')
  })
  await platform.kill('SIGKILL')
  await broken
  await platform.start()
  await until('it is taken up', async () => (await inside('GET', '/health')).status === 204)
  const { processes } = (await rpc('process.Process/List', {})).json
  const after = processes.find(({ tag }: Answer) => tag === 'survivor')
  assert.deepEqual(after, before)
  const { frames } = await stream(
    'process.Process/Connect',
    { process: { pid: after.pid } },
    { 'connect-timeout-ms': '1500' },
  )
  assert.ok(frames.some(({ json }) => json.event?.data?.stdout))
  assert.equal((await rpc('process.Process/SendSignal', { process: { pid: after.pid }, signal: 15 })).status, 200)
})

async function create(more: object = {}): Promise<Answer> {
  return platform.json('POST', '/v2/sandboxes', { templateID: 'base', timeout: 3600, ...more })
}

function tagged({ tag }: Answer): boolean {
  return tag === 'reader'
}

function command(line: string): object {
  return { process: { cmd: '/bin/sh', args: ['-c', line] }, stdin: false }
}

interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
}

/** A request for the inside of the sandbox; a header that is undefined is left out. */
function inside(
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string | undefined>; body?: Buffer } = {},
): Promise<Reply> {
  const all: Record<string, string | undefined> = {
    'e2b-sandbox-id': id,
    'e2b-sandbox-port': '49983',
    'x-access-token': sandbox.envdAccessToken,
    ...headers,
  }
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: platform.port, method, path, headers: Object.fromEntries(given) }
    const request = http.request(options, async (response) => {
      const chunks: Buffer[] = []
      try {
        for await (const chunk of response) chunks.push(chunk)
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) })
      } catch (error) {
        reject(error)
      }
    })
    request.on('error', reject)
    request.end(body)
  })
}

function write(path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Reply> {
  const type = { 'content-type': 'application/octet-stream' }
  return inside('POST', path, { headers: { ...type, ...headers }, body: Buffer.from(body) })
}

async function rpc(method: string, message: object): Promise<{ status: number; json: Answer }> {
  const headers = { 'content-type': 'application/json', 'connect-protocol-version': '1' }
  const { status, body } = await inside('POST', `/${method}`, { headers, body: Buffer.from(JSON.stringify(message)) })
  return { status, json: JSON.parse(body.toString()) }
}

async function stream(
  method: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; frames: { flags: number; json: Answer }[] }> {
  const { status, body } = await inside('POST', `/${method}`, {
    headers: { 'content-type': 'application/connect+json', ...headers },
    body: envelope(Buffer.from(JSON.stringify(message))),
  })
  return { status, frames: envelopes(body).map(({ flags, bytes }) => ({ flags, json: JSON.parse(bytes.toString()) })) }
}

function envelope(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

function envelopes(body: Buffer): { flags: number; bytes: Buffer }[] {
  const found: { flags: number; bytes: Buffer }[] = []
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32BE(at + 1)
    found.push({ flags: body[at]!, bytes: body.subarray(at + 5, at + 5 + length) })
    at += 5 + length
  }
  return found
}
