import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import http from 'node:http'
import http2 from 'node:http2'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-node'
import grpc from '@grpc/grpc-js'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import pg from 'pg'
import { WebSocket } from 'ws'
import { checkGrpcPort } from './contracts/grpc-port.ts'
import { all, asked, connectService, grpcClient } from './grpc-clients.ts'
import { type Answer, commandLine, held, type Platform, processesOf, startPlatform, until } from './platform.ts'
import { startSharedPostgres, whyNoPostgres } from './test-database.ts'

const skip = (await whyNoPostgres('embedded')) || undefined
const keys = ['admin.key', 'token.seed', 'accounts.seed', 'secrets.key']

test('a platform and two workers on one PostgreSQL', { skip }, async (t) => {
  let stopDatabase = async () => {}
  const { databaseUrl } = await startSharedPostgres({ after: (stop) => (stopDatabase = stop) })
  const env = { DATABASE_URL: databaseUrl, WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '0' }
  const database = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  database.on('error', () => {})

  const early = startPlatform({ ...env, WARREN_NODE: 'worker' })
  await t.test('a worker without a platform is refused', async () => {
    await assert.rejects(early, /no platform has worked with this database/)
  })

  const platform = await startPlatform(env)
  const worker = () =>
    startPlatform(
      { ...env, WARREN_NODE: 'worker' },
      {
        prepare: (home) =>
          Promise.all(keys.map((name) => copyFile(join(platform.home, name), join(home, name)))).then(() => {}),
      },
    )

  await t.test('one with other keys is refused', async () => {
    await assert.rejects(startPlatform({ ...env, WARREN_NODE: 'worker' }), /has other keys than this worker/)
  })

  const [first, second] = await Promise.all([worker(), worker()])
  const nodes = async (): Promise<Answer[]> => (await platform.json('GET', '/v1/nodes')).nodes
  const placed = async (): Promise<Map<string, string | null>> => {
    const { rows } = await database.query('select id, node from sandboxes where ended_at is null')
    return new Map(rows.map(({ id, node }) => [id, node]))
  }
  await until('both are known', async () => (await nodes()).filter(({ state }) => state === 'ready').length === 2)
  // Known to what places sandboxes, which looks once a second.
  const [one, other] = (await nodes()).map(({ id }) => id)
  const workerOf = (id: string): Platform => {
    const port = Number(new URL(addresses.get(id)!).port)
    return first.port === port ? first : second
  }
  const addresses = new Map((await nodes()).map(({ id, address }) => [id, address]))
  const bodies = await Promise.all(
    Array.from({ length: 6 }, () => platform.json('POST', '/v1/sandboxes', { timeout: 1200 })),
  )
  const where = await placed()
  const on = (node: string) => bodies.map(({ id }) => id).filter((id) => where.get(id) === node)
  const away = `/v1/sandboxes/${on(one)[0]}`

  await t.test('six sandboxes that are asked for at once are two on each machine', () => {
    assert.deepEqual([on(one).length, on(other).length], [2, 2])
    assert.equal(bodies.filter(({ id }) => where.get(id) === null).length, 2)
  })

  await t.test('a worker that does not know the address of the platform signs no identity tokens', async () => {
    const answer = await platform.call('PUT', `${away}/network`, { allow: ['a.example'], identity: { a: 'a.example' } })
    assert.equal(answer.status, 503)
    assert.match((await answer.json()).message, /does not know where the platform is found/)
  })

  await t.test('the audit log says where the client is, also of what a worker did', async () => {
    await platform.kill('SIGTERM')
    await platform.start({ WARREN_TRUSTED_PROXIES: '127.0.0.0/8' })
    const headers = { 'x-forwarded-for': '198.51.100.9' }
    assert.equal((await platform.call('PUT', `${away}/files?path=/tmp/from`, 'x', { headers })).status, 200)
    const terminal = new WebSocket(`ws://127.0.0.1:${platform.port}${away}/terminal?command=true`, {
      headers: { ...headers, 'x-api-key': platform.key },
    })
    await once(terminal, 'close')
    const subject = away.split('/').at(-1)
    const entries: Answer[] = await until('both are told', async () => {
      const found = (await platform.json('GET', `/v1/audit?subject=${subject}`)).entries
      const told = found.filter(({ action }: Answer) => ['file.write', 'terminal.open'].includes(action))
      return told.length >= 3 && told
    })
    for (const { action, address } of entries) assert.equal(address, '198.51.100.9', action)
    await platform.kill('SIGTERM')
    await platform.start()
  })

  await t.test('gRPC leads to sandboxes of workers: calls, streams both ways, refusals, and the inside', async () => {
    const id = on(one)[0]!
    const client = grpcClient(`127.0.0.1:${platform.port}`)
    const meta = new grpc.Metadata()
    meta.set('x-api-key', platform.key)
    assert.equal((await asked(client, 'GetSandbox', { id }, meta)).id, id)
    const events = await all(client.ExecuteCode({ id, command: 'echo out; echo err >&2; exit 3' }, meta))
    const textOn = (stream: string) => events.flatMap((event) => (event[stream] ? [event[stream].data] : [])).join('')
    assert.deepEqual([textOn('stdout'), textOn('stderr'), events.at(-1).exit.exitCode], ['out\n', 'err\n', 3])

    const bytes = Buffer.alloc(3_000_000, 'xyz')
    const stat = await new Promise<Answer>((resolve, reject) => {
      const done = (error: unknown, answer: Answer) => (error ? reject(error) : resolve(answer))
      const call = client.UploadFile(meta, done)
      call.write({ target: { id, path: '/tmp/uploaded' } })
      for (let at = 0; at < bytes.length; at += 1_000_000) call.write({ data: bytes.subarray(at, at + 1_000_000) })
      call.end()
    })
    assert.equal(stat.size, bytes.length)
    const parts = await all(client.DownloadFile({ id, path: '/tmp/uploaded' }, meta))
    assert.ok(Buffer.concat(parts.flatMap(({ data }) => (data ? [data] : []))).equals(bytes))
    const logs = await all(client.StreamLogs({ id }, meta))
    assert.ok(logs.some(({ data }) => data.toString() === 'out\n'))

    const refused = await all(client.DownloadFile({ id, path: '/none' }, meta)).catch((error) => error)
    assert.equal(refused.code, grpc.status.NOT_FOUND)
    assert.ok(refused.metadata.get('grpc-status-details-bin').length > 0, 'with what the REST API would say')
    const nobody = await asked(client, 'GetSandbox', { id }, new grpc.Metadata()).catch((error) => error)
    assert.equal(nobody.code, grpc.status.UNAUTHENTICATED)
    const none = await asked(client, 'GetSandbox', { id: 'snosuch' }, meta).catch((error) => error)
    assert.equal(none.code, grpc.status.NOT_FOUND)

    const endless = client.ExecuteCode({ id, command: 'echo here; exec sleep 977' }, meta)
    endless.on('error', () => {})
    await new Promise((resolve) => endless.on('data', (event: Answer) => event.stdout && resolve(event)))
    assert.ok(await runs(id, 'sleep 977'))
    endless.cancel()
    await until('the program of a client that went away is gone', async () => !(await runs(id, 'sleep 977')))
    client.close()

    const { service } = await connectService()
    for (const httpVersion of ['1.1', '2'] as const) {
      const interceptors = [
        (next: Answer) => (request: Answer) => {
          request.header.set('x-api-key', platform.key)
          return next(request)
        },
      ]
      const transport = createConnectTransport({ baseUrl: platform.url, httpVersion, interceptors })
      const connect = createClient(service as Answer, transport) as Answer
      assert.equal((await connect.getSandbox({ id })).id, id)
      const told = await all(connect.executeCode({ id, command: 'exit 4' }))
      assert.equal(told.at(-1).event.value.exitCode, 4)
    }

    const { envdAccessToken } = await platform.json('POST', `/v2/sandboxes/${id}/connect`, { timeout: 1200 })
    const inside = { 'e2b-sandbox-id': id, 'x-access-token': envdAccessToken }
    assert.equal(await grpcStatus({ ...inside, 'e2b-sandbox-port': '49983' }), '0')
    const closed = { ...inside, 'x-api-key': platform.key, 'e2b-sandbox-port': '8123' }
    assert.equal(await grpcStatus(closed), '14', 'at its ports where something listens')
    await checkGrpcPort(platform, `/v1/sandboxes/${id}`)
  })

  await t.test('MCP tools work in sandboxes of workers, and are given up there', async () => {
    const id = on(one)[0]!
    const client = new Client({ name: 'test', version: '1' })
    const headers = { 'x-api-key': platform.key }
    await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', platform.url), { requestInit: { headers } }))
    const call = async (name: string, input: object, options = {}): Promise<Answer> =>
      (await client.callTool({ name, arguments: { sandbox: id, ...input } }, options)).structuredContent
    assert.equal((await call('run_command', { command: 'echo $((6*7))' })).stdout, '42\n')
    await call('write_file', { path: '/tmp/by-mcp', content: 'written' })
    assert.equal((await call('read_file', { path: '/tmp/by-mcp' })).content, 'written')
    let heard = 0
    const slow = await call('run_command', { command: 'sleep 6; echo at last' }, { onprogress: () => heard++ })
    assert.equal(slow.stdout, 'at last\n')
    assert.ok(heard > 0, 'a client that asks for it hears that it still runs')
    assert.equal(
      (await client.callTool({ name: 'read_file', arguments: { sandbox: id, path: '/none' } })).isError,
      true,
    )

    const controller = new AbortController()
    const running = call('run_command', { command: 'sleep 976' }, { signal: controller.signal })
    const failed = assert.rejects(running)
    await until('it runs', () => runs(id, 'sleep 976'))
    controller.abort()
    await failed
    await until('it is gone', async () => !(await runs(id, 'sleep 976')))

    // By a word about it, while its connection stays.
    const post = (body: object) =>
      platform.call('POST', '/mcp', body, {
        headers: { accept: 'application/json, text/event-stream', 'mcp-session-id': 'mine' },
      })
    const params = { name: 'run_command', arguments: { sandbox: id, command: 'sleep 975' } }
    const asked = post({ jsonrpc: '2.0', id: 7, method: 'tools/call', params })
    await until('it runs', () => runs(id, 'sleep 975'))
    await post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } })
    await until('it is gone', async () => !(await runs(id, 'sleep 975')))
    assert.match(await (await asked).text(), /gave the call up/)
    await client.close()
  })

  await t.test('a worker answers its platform alone, and says whether it is up', async () => {
    assert.equal((await first.fetch('/health')).status, 200)
    for (const path of ['/v1/sandboxes', away, '/v1/functions', '/openapi.json']) {
      const refused = await first.call('GET', path)
      assert.equal(refused.status, 403, path)
      assert.match((await refused.json()).message, /answers its platform alone/)
    }
    const forged = await first.call('GET', away, undefined, {
      headers: { 'warren-node-pass': 'guessed', 'warren-node-client': '127.0.0.1' },
    })
    assert.equal(forged.status, 403)
  })

  await t.test(
    'programs, files, streams, terminals and ports of its sandboxes are reached through the platform',
    async () => {
      const { stdout } = await platform.json('POST', `${away}/execute`, { command: 'echo $((6*7))' })
      assert.equal(stdout, '42\n')
      const bytes = Buffer.alloc(3_000_000, 'ab')
      const put = await platform.call('PUT', `${away}/files?path=/tmp/large`, bytes)
      assert.equal(put.status, 200, await put.text())
      const got = await platform.call('GET', `${away}/files?path=/tmp/large`)
      assert.ok(Buffer.from(await got.arrayBuffer()).equals(bytes))

      const streamed = await platform.call('POST', `${away}/execute`, JSON.stringify({ command: 'echo as it comes' }), {
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      })
      assert.match(await streamed.text(), /as it comes/)

      const terminal = new WebSocket(`ws://127.0.0.1:${platform.port}${away}/terminal?command=echo%20shown`, {
        headers: { 'x-api-key': platform.key },
      })
      let shown = ''
      terminal.on('message', (data) => (shown += data))
      await once(terminal, 'close')
      assert.match(shown, /shown/)

      const serve = `python3 -c "import http.server as s
class H(s.BaseHTTPRequestHandler):
  def do_GET(self):
    self.send_response(200); self.end_headers(); self.wfile.write(str(self.headers).encode())
s.HTTPServer(('127.0.0.1', 8123), H).serve_forever()"`
      await platform.json('POST', `${away}/processes`, { command: serve })
      const byPath = await until('it serves', async () => {
        const answer = await platform.call('GET', `${away}/ports/8123/`)
        return answer.ok ? await answer.text() : undefined
      })
      assert.doesNotMatch(byPath, new RegExp(`warren-node|${platform.key}`, 'i'))
      const id = away.split('/').at(-1)
      const host = `8123-${id}.localhost:${platform.port}`
      assert.match(await textOf(platform, { host, 'x-api-key': platform.key }), new RegExp(`Host: ${host}`, 'i'))
    },
  )

  await t.test('its life is led through the platform: time, pause, resume, copies', async () => {
    assert.equal((await platform.json('GET', away)).state, 'running')
    await platform.json('POST', `${away}/timeout`, { timeout: 1000 })
    await platform.json('POST', `${away}/execute`, { command: 'echo kept > /tmp/kept' })
    await platform.json('POST', `${away}/pause`)
    assert.equal((await platform.json('GET', away)).state, 'paused')
    await platform.json('POST', `${away}/resume`)
    const kept = await platform.json('POST', `${away}/execute`, { command: 'cat /tmp/kept' })
    assert.equal(kept.stdout, 'kept\n')
    const { runtime } = await platform.json('GET', away)
    if (runtime.driver === 'oci/runsc') {
      const { sandboxes } = await platform.json('POST', `${away}/fork`, { count: 1 })
      assert.equal((await placed()).get(sandboxes[0].id), one)
      assert.equal((await platform.call('DELETE', `/v1/sandboxes/${sandboxes[0].id}`)).status, 204)
    }
    const saved = await platform.call('POST', `${away}/snapshots`, {})
    assert.equal(saved.status, 503)
    assert.match((await saved.json()).message, /workers keep no snapshots/)
  })

  await t.test('clients of E2B get sandboxes on workers, and reach their inside', async () => {
    const ids: string[] = []
    for (const _ of [1, 2, 3])
      ids.push((await platform.json('POST', '/sandboxes', { templateID: 'base', timeout: 600 })).sandboxID)
    const now = await placed()
    const remote = ids.find((id) => now.get(id) !== null)!
    assert.ok(remote, 'one of three is on a worker')
    const answer = await platform.fetch('/health', {
      headers: { 'e2b-sandbox-id': remote, 'e2b-sandbox-port': '49983' },
    })
    assert.equal(answer.status, 204)
    for (const id of ids) assert.equal((await platform.call('DELETE', `/sandboxes/${id}`)).status, 204)
  })

  await t.test('every door that starts sandboxes places them by the same rule', async () => {
    const target = `127.0.0.1:${platform.port}`
    const client = grpcClient(target)
    const meta = new grpc.Metadata()
    meta.set('x-api-key', platform.key)
    const { service } = await connectService()
    const connect = createClient(
      service as Answer,
      createConnectTransport({
        baseUrl: platform.url,
        httpVersion: '1.1',
        interceptors: [
          (next) => (request: Answer) => {
            request.header.set('x-api-key', platform.key)
            return next(request)
          },
        ],
      }),
    ) as Answer
    const mcp = new Client({ name: 'test', version: '1' })
    const requestInit = { headers: { 'x-api-key': platform.key } }
    await mcp.connect(new StreamableHTTPClientTransport(new URL('/mcp', platform.url), { requestInit }))
    const tool = async (input: Record<string, unknown>): Promise<Answer> =>
      (await mcp.callTool({ name: 'sandbox_create', arguments: input })) as Answer
    const doors: Record<string, (input: Record<string, unknown>) => Promise<string>> = {
      gRPC: async (input) => (await asked(client, 'CreateSandbox', input, meta)).id,
      Connect: async (input) => (await connect.createSandbox(input)).id,
      MCP: async (input) => (await tool(input)).structuredContent.sandbox,
      E2B: async () => (await platform.json('POST', '/sandboxes', { templateID: 'base', timeout: 600 })).sandboxID,
    }
    for (const [door, start] of Object.entries(doors)) {
      await nodes() // what is placed by is as old as a second, unless somebody asks
      const ids = await Promise.all(Array.from({ length: 6 }, () => start({ timeout: 600, metadata: { door } })))
      const now = await placed()
      const counts = [null, one, other].map((node) => ids.filter((id) => now.get(id) === node).length)
      assert.ok(Math.min(...counts) > 0, `${door}: some on each machine: ${counts}`)
      for (const id of ids) {
        const { stdout } = await platform.json('POST', `/v1/sandboxes/${id}/execute`, { command: 'echo here' })
        assert.equal(stdout, 'here\n')
      }
      const { entries } = await until('each start is in the audit log', async () => {
        const found = await platform.json('GET', '/v1/audit?action=sandbox.create&limit=100')
        return ids.every((id) => found.entries.some(({ subject }: Answer) => subject === id)) && found
      })
      for (const id of ids) assert.equal(entries.filter(({ subject }: Answer) => subject === id).length, 1)
      await Promise.all(ids.map((id) => platform.call('DELETE', `/v1/sandboxes/${id}`)))
    }

    // What is refused is so in the door's own words, wherever that is; and what only this machine has starts here.
    for (const input of [{ timeout: 4_000_000_000 }, { limits: { memoryMb: -5 } }, { limits: { memoryMb: 1e300 } }]) {
      const refused = await asked(client, 'CreateSandbox', input, meta).catch((error) => error)
      assert.equal(refused.code, grpc.status.INVALID_ARGUMENT, JSON.stringify(input))
      const told = await tool(input)
      assert.equal(told.isError, true)
      assert.match(told.content[0].text, /invalid_request/)
    }
    const { key } = await platform.json('POST', '/v1/keys', { name: 'reader', scopes: ['sandboxes:read'] })
    const reader = new grpc.Metadata()
    reader.set('x-api-key', key)
    const forbidden = await asked(client, 'CreateSandbox', {}, reader).catch((error) => error)
    assert.equal(forbidden.code, grpc.status.PERMISSION_DENIED)
    const nobody = await asked(client, 'CreateSandbox', {}, new grpc.Metadata()).catch((error) => error)
    assert.equal(nobody.code, grpc.status.UNAUTHENTICATED)
    const volume = await platform.json('POST', '/v1/volumes', { name: 'here', sizeMb: 16 })
    const kept = []
    for (const _ of [1, 2, 3])
      kept.push(await asked(client, 'CreateSandbox', { volumes: [{ name: 'here', path: '/data' }] }, meta))
    const now = await placed()
    for (const { id } of kept) {
      assert.equal(now.get(id), null)
      await platform.call('DELETE', `/v1/sandboxes/${id}`)
    }
    await platform.call('DELETE', `/v1/volumes/${volume.id}`)
    await mcp.close()
    client.close()
  })

  await t.test('over the figures of all nodes sums are right: nothing is told of by two of them', async () => {
    const figures = async (node: Platform): Promise<string> => (await node.call('GET', '/metrics')).text()
    const sum = async (name: string, labels = ''): Promise<number> => {
      const lines = (await Promise.all([platform, first, second].map(figures))).join('\n').split('\n')
      const found = lines.filter((line) => line.startsWith(name) && line.includes(labels))
      return found.reduce((all, line) => all + Number(line.split(' ').at(-1)), 0)
    }
    const places = 'method="POST",route="/v1/sandboxes",status="201"'
    const reads = 'method="GET",route="/v1/sandboxes/:id",status="200"'
    const seen = async () => ({
      starts: await sum('sandbox_starts_total{'),
      ends: await sum('sandbox_ends_total{'),
      lives: await sum('sandbox_duration_seconds_count{'),
      places: await sum('http_request_duration_seconds_count{', places),
      reads: await sum('http_request_duration_seconds_count{', reads),
      tools: await sum('http_request_duration_seconds_count{', 'route="/mcp"'),
      calls: await sum('http_request_duration_seconds_count{', 'CreateSandbox'),
      terminals: await sum('websocket_duration_seconds_count{'),
    })
    const before = await seen()
    const ids: string[] = []
    for (let at = 0; at < 6; at++) ids.push((await platform.json('POST', '/v1/sandboxes', { timeout: 600 })).id)
    const spread = await placed()
    assert.ok(new Set(ids.map((id) => spread.get(id))).size > 1, 'on several machines')
    assert.equal(await sum('sandbox_count{', 'status="running"'), (await placed()).size)
    for (const id of ids) {
      await platform.json('GET', `/v1/sandboxes/${id}`)
      const params = { name: 'read_file', arguments: { sandbox: id, path: '/etc/hostname' } }
      const accept = 'application/json, text/event-stream'
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
      await (await platform.call('POST', '/mcp', body, { headers: { accept } })).text()
      const terminal = new WebSocket(`ws://127.0.0.1:${platform.port}/v1/sandboxes/${id}/terminal?command=true`, {
        headers: { 'x-api-key': platform.key },
      })
      await once(terminal, 'close')
      await platform.call('DELETE', `/v1/sandboxes/${id}`)
    }
    const after = await until('all is counted', async () => {
      const now = await seen()
      return now.ends - before.ends >= 6 && now.terminals - before.terminals >= 6 && now
    })
    const risen = Object.fromEntries(
      Object.entries(after).map(([name, count]) => [name, count - before[name as 'ends']]),
    )
    const expected = { starts: 6, ends: 6, lives: 6, places: 6, reads: 6, tools: 6, calls: 0, terminals: 6 }
    assert.deepEqual(risen, expected)
  })

  await t.test('who may not see a sandbox gets the same answer from a worker', async () => {
    assert.equal((await platform.fetch(away)).status, 401)
    const org = await platform.json('POST', '/v1/orgs', { name: 'other' })
    const answer = await platform.call('GET', away, undefined, { headers: { 'warren-organisation': org.id } })
    assert.equal(answer.status, 404)
  })

  await t.test('what needs something of the platform itself stays there', async () => {
    const volume = await platform.json('POST', '/v1/volumes', { name: 'data', sizeMb: 16 })
    const made = await Promise.all(
      [1, 2, 3].map(() => platform.json('POST', '/v1/sandboxes', { volumes: [{ name: 'data', path: '/data' }] })),
    )
    const now = await placed()
    for (const { id } of made) assert.equal(now.get(id), null)
    for (const { id } of made) await platform.call('DELETE', `/v1/sandboxes/${id}`)
    await platform.call('DELETE', `/v1/volumes/${volume.id}`)
  })

  await t.test('each start stands in the audit log once', async () => {
    const { entries } = await until('it is written', async () => {
      const found = await platform.json('GET', '/v1/audit?action=sandbox.create&limit=100')
      return bodies.every(({ id }) => found.entries.some(({ subject }: Answer) => subject === id)) && found
    })
    for (const { id } of bodies) assert.equal(entries.filter(({ subject }: Answer) => subject === id).length, 1)
  })

  await t.test('a platform that is killed and started again takes nothing from its workers', async () => {
    await platform.kill('SIGKILL')
    await platform.start()
    for (const { id } of bodies) {
      const { stdout } = await platform.json('POST', `/v1/sandboxes/${id}/execute`, { command: 'echo here' })
      assert.equal(stdout, 'here\n')
    }
  })

  await t.test(
    'while a worker is away its sandboxes are 503 and new ones go elsewhere; afterwards they are as before',
    async () => {
      const gone = workerOf(one)
      const refusals = async (): Promise<number> => {
        const text = await (await platform.call('GET', '/metrics')).text()
        return Number(/_count\{method="GET",route="sandbox:elsewhere",status="503"\} (\d+)/.exec(text)?.[1] ?? 0)
      }
      assert.equal(await refusals(), 0)
      await gone.kill('SIGKILL')
      for (const _ of [1, 2, 3, 4]) {
        const refused = await platform.call('GET', away)
        assert.equal(refused.status, 503)
        assert.ok(Number(refused.headers.get('retry-after')) >= 1)
        assert.match((await refused.json()).message, /cannot be reached now/)
      }
      assert.equal(await refusals(), 4)
      const client = grpcClient(`127.0.0.1:${platform.port}`)
      const meta = new grpc.Metadata()
      meta.set('x-api-key', platform.key)
      const away1 = { id: on(one)[0]! }
      assert.equal(
        (await asked(client, 'GetSandbox', away1, meta).catch((error) => error)).code,
        grpc.status.UNAVAILABLE,
      )
      client.close()
      const params = { name: 'read_file', arguments: { sandbox: away1.id, path: '/tmp/kept' } }
      const told = await platform.call('POST', '/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
      assert.equal(told.status, 503)
      const states = new Map((await nodes()).map(({ id, state }) => [id, state]))
      assert.deepEqual([states.get(one), states.get(other)], ['unreachable', 'ready'])
      const made = await Promise.all(Array.from({ length: 4 }, () => platform.json('POST', '/v1/sandboxes', {})))
      const now = await placed()
      for (const { id } of made) assert.notEqual(now.get(id), one)
      for (const { id } of made) assert.equal((await platform.call('DELETE', `/v1/sandboxes/${id}`)).status, 204)

      await gone.start()
      const kept = await until('it is reached', async () => {
        const answer = await platform.call('POST', `${away}/execute`, { command: 'cat /tmp/kept' })
        return answer.ok && (await answer.json()).stdout
      })
      assert.equal(kept, 'kept\n')
    },
  )

  await t.test('one that works cannot be given up; of one that is gone the sandboxes have failed', async () => {
    assert.equal((await platform.call('DELETE', `/v1/nodes/${one}`)).status, 409)
    const gone = workerOf(other)
    const lost = on(other)
    await gone.kill('SIGKILL')
    await until(
      'it is not heard of any more',
      async () => (await nodes()).find(({ id }) => id === other)?.state === 'lost',
      30_000,
    )
    // The platform dies between the two effects of it, and is asked again.
    const killer = `import { subscribe } from 'node:diagnostics_channel'
      subscribe('tracing:warren.step:start', ({ name }) => name === 'sandbox.give_up' && process.kill(process.pid, 'SIGKILL'))`
    await platform.kill('SIGTERM')
    await platform.start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(killer)}` })
    await assert.rejects(platform.call('DELETE', `/v1/nodes/${other}`))
    await platform.kill('SIGKILL')
    await platform.start()
    const answer = await platform.json('DELETE', `/v1/nodes/${other}`)
    assert.equal(answer.lost, lost.length)
    for (const id of lost) {
      const { state, endReason } = await platform.json('GET', `/v1/sandboxes/${id}`)
      assert.deepEqual([state, endReason], ['failed', 'lost'])
    }
    assert.equal((await platform.call('DELETE', `/v1/nodes/${other}`)).status, 404)
    const { events } = await platform.json('GET', `/v1/events?type=sandbox.failed&limit=100`)
    assert.deepEqual(events.map(({ subject }: Answer) => subject).sort(), lost.toSorted())

    await gone.start()
    await until('it has ended what was given up', () => sandboxesOf(gone) === 0)
    assert.deepEqual((await nodes()).map(({ id }) => id).sort(), [one, other].toSorted())
  })

  /** Whether a program with these words in its command line runs in a sandbox. */
  async function runs(id: string, words: string): Promise<boolean> {
    const { stdout } = await platform.json('POST', `/v1/sandboxes/${id}/execute`, {
      command: "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done 2>/dev/null",
    })
    return stdout.includes(words)
  }

  /** How a call of gRPC to the inside of a sandbox ended. */
  async function grpcStatus(headers: Record<string, string>): Promise<unknown> {
    const session = http2.connect(`http://127.0.0.1:${platform.port}`)
    const type = { ':method': 'POST', ':path': '/process.Process/List', 'content-type': 'application/grpc+proto' }
    const stream = session.request({ ...type, ...headers })
    const ended = new Promise((resolve) => {
      stream.on('response', (head) => head['grpc-status'] && resolve(head['grpc-status']))
      stream.on('trailers', (trailers) => resolve(trailers['grpc-status']))
    })
    stream.end(Buffer.alloc(5)).resume()
    return ended.finally(() => session.destroy())
  }

  after(async () => {
    await database.end()
    await stopDatabase()
  })
})

/** How many run or stand still in a home, besides what is prepared for the next. */
function sandboxesOf({ home }: Platform): number {
  const keepers = processesOf(home).filter((pid) => commandLine(pid).includes('\0keep\0'))
  return keepers.length - held(home).length
}

/** A request whose Host is not where it goes. */
function textOf({ port }: Platform, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ port, host: '127.0.0.1', headers }, async (answer) => {
        let text = ''
        for await (const chunk of answer) text += chunk
        resolve(text)
      })
      .on('error', reject)
  })
}
