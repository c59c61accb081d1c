import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_CORS_ORIGINS: 'https://app.example.com' })
const hasPython = (await (await runFirst('python3 --version')).exitCode) === 0
const noPython = !hasPython && 'there is no python3 below /usr on this host'

const mcp = await connect(platform.key)
const { sandbox } = (await call(mcp, 'sandbox_create', { metadata: { made: 'by mcp' }, timeout: 3600 })).output

async function runFirst(command: string): Promise<Answer> {
  const path = await platform.sandbox()
  const outcome = await platform.json('POST', `${path}/execute`, { command })
  await platform.call('DELETE', path)
  return outcome
}

async function connect(
  key: string,
  { era = 'legacy' as 'legacy' | 'auto', fetch: seen = fetch }: { era?: 'legacy' | 'auto'; fetch?: typeof fetch } = {},
): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: era } })
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', platform.url), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
    fetch: seen,
  })
  await client.connect(transport)
  after(() => client.close())
  return client
}

class Refused {
  error: Answer

  constructor(error: Answer) {
    this.error = error
  }

  get output(): never {
    throw new Error(`the tool answered an error: ${JSON.stringify(this.error)}`)
  }
}

/** What a tool answers; `error` where it failed. */
async function call(client: Client, name: string, input: object = {}, options: object = {}): Promise<Answer> {
  const answer = (await client.callTool({ name, arguments: input as Record<string, unknown> }, options)) as Answer
  const text = JSON.parse(answer.content[0].text)
  // Whoever did not expect that reads it in the message.
  if (answer.isError) return new Refused(text)
  assert.deepEqual(answer.structuredContent, text)
  return { output: text, images: answer.content.slice(1) }
}

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return platform.fetch('/mcp', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
  })
}

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
}

/** Whether a program with these words in its command line runs in the sandbox. */
async function runs(words: string): Promise<boolean> {
  const { stdout } = await platform.json('POST', `/v1/sandboxes/${sandbox}/execute`, {
    command: "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done 2>/dev/null",
  })
  return stdout.includes(words)
}

test('nobody is let in without a key, nor a web page from elsewhere with one', async () => {
  const refused = await post(initialize)
  assert.equal(refused.status, 401)
  assert.equal(((await refused.json()) as Answer).code, 'unauthenticated')
  assert.equal((await post(initialize, { authorization: 'Bearer e2b_0000' })).status, 401)
  for (const method of ['GET', 'DELETE']) assert.equal((await platform.fetch('/mcp', { method })).status, 401)
  const from = (origin: string) => post(initialize, { authorization: `Bearer ${platform.key}`, origin })
  assert.equal((await from('http://rebound.example.com')).status, 403)
  assert.equal((await from('null')).status, 403)
  for (const origin of ['http://localhost:6274', 'https://app.example.com'])
    assert.equal((await from(origin)).status, 200, origin)
  const tooLarge = await post({ ...initialize, padding: 'x'.repeat(1024 * 1024) }, { 'x-api-key': platform.key })
  assert.equal(tooLarge.status, 413)
  // Else one request would be as many calls as it has room for, whatever the rates say.
  assert.equal((await post([initialize], { 'x-api-key': platform.key })).status, 400)
})

test('each tool asks for the permission of its twin in the REST API, and says what it takes and answers', async () => {
  const { tools } = await mcp.listTools()
  const { paths } = await (await platform.fetch('/openapi.json')).json()
  const operations = Object.values<Answer>(paths).flatMap((path) => Object.values<Answer>(path))
  const permissions = new Set<string>()
  for (const { name, description, inputSchema, outputSchema, _meta } of tools) {
    const twin = operations.find(({ operationId }) => operationId === _meta?.['warren/operation'])
    assert.ok(twin, `${name} has a twin`)
    assert.ok(description && inputSchema.type === 'object' && outputSchema?.type === 'object', name)
    assert.doesNotMatch(JSON.stringify([inputSchema, outputSchema]), /plain-text|\$ref/, name)
    permissions.add(twin['x-permission'])
    const { key } = await platform.json('POST', '/v1/keys', { name, scopes: [twin['x-permission']] })
    const narrow = await connect(key)
    assert.ok(
      (await narrow.listTools()).tools.some((tool) => tool.name === name),
      `${name} with ${twin['x-permission']} alone`,
    )
    await narrow.close()
  }
  assert.deepEqual([...permissions].sort(), [
    'agents:read',
    'agents:write',
    'sandboxes:exec',
    'sandboxes:read',
    'sandboxes:write',
  ])
})

test('a command runs to its end, and its exit code is an answer', async () => {
  const { output } = await call(mcp, 'run_command', {
    sandbox,
    command: 'read line; echo "$line $WHO"; echo bad >&2; exit 3',
    stdin: 'hello\n',
    env: { WHO: 'world' },
  })
  assert.deepEqual(
    [output.exitCode, output.reason, output.stdout, output.stderr, output.truncated],
    [3, 'exited', 'hello world\n', 'bad\n', false],
  )
  const late = await call(mcp, 'run_command', { sandbox, command: 'sleep 60', timeout: 0.2 })
  assert.equal(late.output.reason, 'timeout')
})

test('long output is given by its beginning and its end, and the answer says so', async () => {
  const { output } = await call(mcp, 'run_command', {
    sandbox,
    command: 'echo begin; head -c 3000000 /dev/zero | tr "\\0" x; echo; echo end',
    maxOutputBytes: 1000,
  })
  assert.ok(output.stdout.startsWith('begin\nxxx') && output.stdout.endsWith('xxx\nend\n'))
  assert.match(output.stdout, /\n… 2999011 bytes are left out here …\n/)
  assert.deepEqual([output.stdoutBytes, output.truncated], [3_000_011, true])
})

test('code keeps its variables from call to call', { skip: noPython }, async () => {
  const python = (code: string, more: object = {}) => call(mcp, 'run_code', { sandbox, code, ...more })
  const first = await python('x = 41\nprint("out")')
  assert.deepEqual([first.output.stdout, first.output.reason], ['out\n', 'completed'])
  const second = await python('x + 1')
  assert.deepEqual([second.output.result, second.output.context], ['42', first.output.context])
  const raised = await python('1 / 0')
  assert.deepEqual([raised.output.reason, raised.output.error.name], ['raised', 'ZeroDivisionError'])
  const fresh = await python('x', { fresh: true })
  assert.equal(fresh.output.error.name, 'NameError')
  assert.notEqual(fresh.output.context, first.output.context)
  const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
  const picture = await python(
    `import base64\nclass Picture:\n  def _repr_png_(self):\n    return base64.b64decode("${pixel}")\nPicture()`,
  )
  assert.deepEqual(
    picture.images.map(({ type, mimeType }: Answer) => [type, mimeType]),
    [['image', 'image/png']],
  )
  const { output } = await call(mcp, 'run_code', { sandbox, code: 'y=7; echo $y', language: 'bash' })
  assert.equal(output.stdout, '7\n')
})

test('files are written, read in parts and listed', async () => {
  const text = '你好'.repeat(10)
  const written = await call(mcp, 'write_file', { sandbox, path: 'deep/er/file.txt', content: text, mode: '0600' })
  assert.deepEqual(written.output, { path: '/home/user/deep/er/file.txt', bytes: 60 })
  let read = ''
  let offset: number | undefined = 0
  while (offset !== undefined) {
    const part: Answer = await call(mcp, 'read_file', { sandbox, path: 'deep/er/file.txt', offset, length: 20 })
    assert.equal(part.output.encoding, 'utf-8')
    read += part.output.content
    offset = part.output.nextOffset
  }
  assert.equal(read, text)
  const bytes = Buffer.from([0, 255, 1]).toString('base64')
  await call(mcp, 'write_file', { sandbox, path: 'deep/bytes', content: bytes, encoding: 'base64' })
  const { output } = await call(mcp, 'read_file', { sandbox, path: 'deep/bytes' })
  assert.deepEqual([output.content, output.encoding, output.size], [bytes, 'base64', 3])
  const found = await call(mcp, 'list_files', { sandbox, path: 'deep' })
  assert.deepEqual(found.output.entries.map(({ path }: Answer) => path).sort(), [
    '/home/user/deep/bytes',
    '/home/user/deep/er',
  ])
  assert.match((await call(mcp, 'read_file', { sandbox, path: '/proc/version' })).output.content, /Linux/)
})

test('a port has an address before and after something listens on it', { skip: noPython }, async () => {
  const ask = async () => (await call(mcp, 'get_port_url', { sandbox, port: 8123 })).output
  const before = await ask()
  assert.deepEqual([before.listening, before.path], [false, `/v1/sandboxes/${sandbox}/ports/8123/`])
  await call(mcp, 'run_command', { sandbox, command: 'python3 -m http.server 8123 >/dev/null 2>&1 &' })
  await until('it listens', async () => (await ask()).listening)
  assert.equal((await platform.call('GET', before.path)).status, 200)
})

test('a sandbox is listed, pauses, goes on, is forked where the runtime can, and is ended', async () => {
  const listed = await call(mcp, 'sandbox_list', { metadata: { made: 'by mcp' } })
  assert.deepEqual(
    listed.output.sandboxes.map((one: Answer) => one.sandbox),
    [sandbox],
  )
  const { output: other } = await call(mcp, 'sandbox_create')
  const id = { sandbox: other.sandbox }
  assert.equal((await call(mcp, 'sandbox_pause', id)).output.state, 'paused')
  assert.equal((await call(mcp, 'sandbox_resume', id)).output.state, 'running')
  const fork = await call(mcp, 'sandbox_fork', { ...id, count: 2 })
  if (fork.error) assert.ok(fork.error.message && fork.error.code !== 'internal', JSON.stringify(fork.error))
  else assert.equal(fork.output.sandboxes.length, 2)
  for (const copy of fork.output?.sandboxes ?? []) await call(mcp, 'sandbox_kill', { sandbox: copy.sandbox })
  assert.deepEqual((await call(mcp, 'sandbox_kill', id)).output, { removed: other.sandbox })
  assert.equal((await call(mcp, 'sandbox_kill', id)).error.code, 'not_found')
})

test('what fails says why, in the words of the REST API; what is no call at all is an error of the protocol', async () => {
  const typo = await call(mcp, 'run_command', { sandbox, comand: 'ls' })
  assert.equal(typo.error.code, 'invalid_request')
  assert.match(typo.error.message, /arguments must have the field "command"/)
  assert.match(
    (await call(mcp, 'run_command', { sandbox, command: 7 })).error.message,
    /field "command" must be string/,
  )
  const folder = await call(mcp, 'read_file', { sandbox, path: '/etc' })
  assert.deepEqual([folder.error.code, folder.error.hint], ['invalid_request', 'Use list_files.'])
  assert.ok(folder.error.requestId)
  await assert.rejects(mcp.callTool({ name: 'no_such_tool', arguments: {} }), { code: -32602 })
  await assert.rejects(mcp.request({ method: 'resources/list' }), { code: -32601 })
})

test('a sandbox of another organisation is not found by any tool', async () => {
  const org = await platform.json('POST', '/v1/orgs', { name: 'others' })
  const { key } = await platform
    .call('POST', '/v1/keys', { name: 'theirs' }, { headers: { 'warren-organisation': org.id } })
    .then((reply) => reply.json())
  const stranger = await connect(key)
  const { tools } = await stranger.listTools()
  const more: Record<string, object> = {
    ...{ run_command: { command: 'true' }, run_code: { code: '1' }, get_port_url: { port: 80 } },
    ...{ read_file: { path: '/etc/passwd' }, write_file: { path: 'x', content: '' }, list_files: { path: '/' } },
    ...{ browser_open: { url: 'about:blank' }, browser_click: { ref: 'a-1' }, browser_type: { ref: 'a-1', text: '' } },
    browser_evaluate: { expression: '1' },
  }
  let walked = 0
  for (const { name, inputSchema } of tools) {
    if (!inputSchema.properties || !('sandbox' in inputSchema.properties)) continue
    const { error } = await call(stranger, name, { sandbox, ...more[name] })
    assert.equal(error?.code, 'not_found', name)
    walked++
  }
  assert.equal(walked, 17)
  assert.deepEqual((await call(stranger, 'sandbox_list')).output.sandboxes, [])
  assert.equal((await platform.json('GET', `/v1/sandboxes/${sandbox}`)).state, 'running')
})

test('a viewer looks on: it is not offered what it may not do, and does not get it by asking', async () => {
  const { key } = await platform.json('POST', '/v1/keys', { name: 'viewer', role: 'viewer' })
  const viewer = await connect(key)
  const names = (await viewer.listTools()).tools.map(({ name }) => name)
  assert.deepEqual(names, ['sandbox_list', 'get_port_url', 'agent_run_get', 'agent_run_list'])
  assert.ok((await call(viewer, 'sandbox_list')).output.sandboxes.length > 0)
  for (const [name, input] of Object.entries({
    run_command: { sandbox, command: 'true' },
    read_file: { sandbox, path: '/etc/passwd' },
    sandbox_kill: { sandbox },
    sandbox_create: {},
  }))
    assert.equal((await call(viewer, name, input)).error.code, 'forbidden', name)
})

test('every call stands in the audit log, under the verb of the REST API, and none of its content', async () => {
  await call(mcp, 'write_file', { sandbox, path: 'audited', content: 'not for the log' })
  const entries = await until('it is in the log', async () => {
    const found = await platform.json('GET', '/v1/audit?limit=200')
    const ours = found.entries.filter(
      ({ action, details }: Answer) => action === 'file.write' && details?.path === 'audited',
    )
    return ours.length === 2 && ours
  })
  assert.deepEqual(entries.map(({ outcome }: Answer) => outcome).sort(), ['begun', 'done'])
  for (const entry of entries) {
    assert.deepEqual([entry.subject, entry.details.via], [sandbox, 'mcp'])
    assert.doesNotMatch(JSON.stringify(entry), /not for the log/)
  }
})

for (const era of ['legacy', 'auto'] as const)
  test(`a call that is given up takes its program along (${era})`, async () => {
    const client = await connect(platform.key, { era })
    assert.equal(client.getProtocolEra?.() ?? 'legacy', era === 'legacy' ? 'legacy' : 'modern')
    const words = `sleep 10${era.length}7`
    const controller = new AbortController()
    const running = call(client, 'run_command', { sandbox, command: words }, { signal: controller.signal })
    const failed = assert.rejects(running)
    await until('it runs', () => runs(words))
    controller.abort()
    await failed
    await until('it is gone', async () => !(await runs(words)))
    assert.equal((await call(client, 'run_command', { sandbox, command: 'echo on' })).output.stdout, 'on\n')
  })

test('a client that asks for it hears that a call still runs', async () => {
  for (const client of [mcp, await connect(platform.key, { era: 'auto' })]) {
    const controller = new AbortController()
    let heard = 0
    const options = { signal: controller.signal, onprogress: () => heard++ }
    const failed = assert.rejects(call(client, 'run_command', { sandbox, command: 'sleep 7654' }, options))
    await until('it is told', () => heard > 0, 60_000)
    controller.abort()
    await failed
  }
  await until('it is gone', async () => !(await runs('sleep 7654')))
})

test('there is nothing to listen to, so nothing holds a connection open', async () => {
  const held = await platform.call('GET', '/mcp', undefined, { headers: { accept: 'text/event-stream' } })
  assert.equal(held.status, 405)
  const listen = {
    jsonrpc: '2.0',
    id: 1,
    method: 'subscriptions/listen',
    params: {
      notifications: { toolsListChanged: true },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  }
  const headers = {
    'x-api-key': platform.key,
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'subscriptions/listen',
  }
  const refused = (await (await post(listen, headers)).json()) as Answer
  assert.match(refused.error.message, /limit/)
})

test('a call is given up by a word about it, while its connection stays', async () => {
  const key = { 'x-api-key': platform.key }
  const begun = await post(initialize, key)
  const headers = { ...key, 'mcp-session-id': begun.headers.get('mcp-session-id')! }
  const params = { name: 'run_command', arguments: { sandbox, command: 'sleep 1234' } }
  const running = post({ jsonrpc: '2.0', id: 'first', method: 'tools/call', params }, headers)
  await until('it runs', () => runs('sleep 1234'))
  const word = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'first' } }
  assert.equal((await post(word, key)).status, 202)
  assert.ok(await runs('sleep 1234'), 'it is of another session')
  assert.equal((await post(word, headers)).status, 202)
  await until('it is gone', async () => !(await runs('sleep 1234')))
  await (await running).text()
  const last = post({ jsonrpc: '2.0', id: 'last', method: 'tools/call', params }, headers)
  await until('it runs', () => runs('sleep 1234'))
  assert.equal((await platform.fetch('/mcp', { method: 'DELETE', headers })).status, 204)
  await until('it is gone with its session', async () => !(await runs('sleep 1234')))
  await (await last).text()
})

test('a call is given up by its caller alone', async () => {
  const [one, other] = [await connect(platform.key), await connect(platform.key)]
  const controller = new AbortController()
  const running = call(one, 'run_command', { sandbox, command: 'sleep 4321' }, { signal: controller.signal })
  const failed = assert.rejects(running)
  await until('it runs', () => runs('sleep 4321'))
  for (let requestId = 0; requestId < 10; requestId++)
    await other.notification({ method: 'notifications/cancelled', params: { requestId } })
  assert.ok(await runs('sleep 4321'))
  controller.abort()
  await failed
  await until('it is gone', async () => !(await runs('sleep 4321')))
})

test('agents are started and looked at', async () => {
  const started = await call(mcp, 'agent_run_start', { agent: 'calculator-and-fetch' })
  const run = started.output.runId
  const ended = await until(
    'it ends',
    async () => {
      const { output } = await call(mcp, 'agent_run_get', { run })
      return ['done', 'failed', 'stopped'].includes(output.state) && output
    },
    60_000,
  )
  assert.deepEqual([ended.state, ended.reason], ['done', 'completed'])
  const { output } = await call(mcp, 'agent_run_list', { agent: 'calculator-and-fetch' })
  assert.deepEqual(
    output.runs.map(({ runId }: Answer) => runId),
    [run],
  )
})
