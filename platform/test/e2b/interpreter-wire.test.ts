import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, startPlatform, until } from '../platform.ts'

const platform = await startPlatform()
const made = await create('code-interpreter-v1')
const hasPython = await platform.json('POST', `/v1/sandboxes/${made.sandboxID}/execute`, {
  command: 'command -v python3',
})
const skip = hasPython.exitCode !== 0 && 'there is no python3 below /usr on this host'

async function create(templateID: string, more: object = {}): Promise<Answer> {
  const headers = { 'x-api-key': platform.key, 'content-type': 'application/json' }
  const body = JSON.stringify({ templateID, ...more })
  const reply = await fetch(`${platform.url}/v2/sandboxes`, { method: 'POST', headers, body })
  assert.equal(reply.status, 201)
  return reply.json()
}

/** A request to port 49999, with the token of the sandbox unless other headers are given. */
function call(
  method: string,
  path: string,
  body?: unknown,
  more: { of?: Answer; headers?: object; signal?: AbortSignal } = {},
) {
  const { of = made, headers = { 'x-access-token': of.envdAccessToken }, signal } = more
  return fetch(`${platform.url}${path}`, {
    method,
    headers: { 'e2b-sandbox-id': of.sandboxID, 'e2b-sandbox-port': '49999', ...headers } as Record<string, string>,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  })
}

async function lines(reply: Response): Promise<Answer[]> {
  const text = await reply.text()
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('an execution is lines of JSON in ASCII, in the order of the contract', { skip }, async () => {
  assert.equal((await call('GET', '/health')).status, 200)
  const reply = await call('POST', '/execute', {
    code: 'print("ü🚀")\n"é"',
    context_id: null,
    language: null,
    env_vars: null,
  })
  const text = await reply.text()
  assert.match(text, /^[\x20-\x7e\n]+$/)
  const told = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    told.map(({ type }) => type),
    ['number_of_executions', 'stdout', 'result', 'end_of_execution'],
  )
  assert.deepEqual([told[0].execution_count, told[1].text], [1, 'ü🚀\n'])
  assert.ok(!Number.isNaN(Date.parse(told[1].timestamp)))
  assert.deepEqual(told[2], { type: 'result', is_main_result: true, text: 'é', extra: {} })
})

test('silence is told every five seconds', { skip }, async () => {
  const told = await lines(await call('POST', '/execute', { code: 'import time; time.sleep(6)' }))
  assert.ok(told.some(({ type }) => type === 'keepalive'))
})

test('what is wrong is answered with its status and a text', { skip }, async () => {
  const refused = async (body: unknown, status: number, text: RegExp) => {
    const reply = await call('POST', '/execute', body)
    assert.match(await reply.text(), text)
    assert.equal(reply.status, status)
    assert.match(reply.headers.get('content-type')!, /text\/plain/)
  }
  await refused('{', 400, /no JSON/)
  await refused('null', 400, /"code"/)
  await refused({ code: 1 }, 400, /"code"/)
  await refused({ code: '1', context_id: 'python', language: 'python' }, 400, /Only one of context_id or language/)
  await refused({ code: '1', context_id: 'cnothing' }, 404, /^Context cnothing not found$/)
  await refused({ code: '1', context_id: '__proto__' }, 404, /^Context __proto__ not found$/)
  await refused({ code: '1', language: 'ruby' }, 500, /"ruby"/)
  await refused({ code: '1', env_vars: { 'A=B': '1' } }, 400, /"env_vars"/)
  await refused({ code: '1', env_vars: { A: 1 } }, 400, /"env_vars"/)
  await refused({ code: `"${'x'.repeat(2_000_000)}"` }, 413, /1 MiB/)
  await refused({ code: 'x'.repeat(9_000_000) }, 413, /8388608 bytes/)
  for (const [method, path] of [
    ['DELETE', '/contexts/cnothing'],
    ['POST', '/contexts/cnothing/restart'],
    ['POST', '/nothing'],
  ] as const)
    assert.equal((await call(method, path)).status, 404)
  assert.equal((await call('POST', '/contexts', { language: ['python'] })).status, 400)
})

test('to run code needs the token of this sandbox, and private ports need one for everything', { skip }, async () => {
  const other = await create('code-interpreter', { network: { allowPublicTraffic: false } })
  const status = async (method: string, path: string, headers: object, of = made) =>
    (await call(method, path, method === 'POST' ? { code: '1' } : undefined, { of, headers })).status
  assert.equal(await status('POST', '/execute', {}), 401)
  assert.equal(await status('POST', '/execute', { 'x-access-token': other.envdAccessToken }), 401)
  assert.equal(await status('POST', '/execute', { 'x-api-key': platform.key }), 200)
  assert.equal(await status('GET', '/contexts', {}), 200)
  assert.equal(await status('GET', '/contexts', {}, other), 403)
  assert.equal(await status('GET', '/contexts', { 'e2b-traffic-access-token': other.trafficAccessToken }, other), 200)
  assert.equal(await status('GET', '/health', {}, { ...other, sandboxID: 'snothere' }), 502)
  await platform.call('DELETE', `/v1/sandboxes/${other.sandboxID}`)
})

test('endless output waits for its reader, and ends with it', { skip }, async () => {
  const gone = new AbortController()
  const reply = await call('POST', '/execute', { code: 'while True: print("x" * 1000)' }, { signal: gone.signal })
  const reader = reply.body!.getReader()
  await reader.read()
  await sleep(1000)
  gone.abort()
  await until('the next has its turn', async () => {
    const told = await lines(await call('POST', '/execute', { code: '6 * 7' }))
    return told.some(({ text }) => text === '42')
  })
})

test('a fork bomb and a killed service harm their own sandbox, which goes on', { skip }, async () => {
  const own = await create('code-interpreter-v1')
  const run = async (code: string) => lines(await call('POST', '/execute', { code }, { of: own }))
  const bomb =
    'import subprocess\nn = 0\ntry:\n  while True: subprocess.Popen(["sleep", "30"]); n += 1\nexcept OSError: print(n)'
  const bombed = await run(bomb)
  assert.equal(bombed.at(-1).type, 'end_of_execution')
  await call('POST', '/contexts/python/restart', undefined, { of: own })
  const killed = await run('import os; os.kill(os.getppid(), 9)')
  assert.deepEqual(
    killed.slice(-2).map(({ type, name }) => [type, name]),
    [
      ['error', 'InterpreterLost'],
      ['end_of_execution', undefined],
    ],
  )
  const [, result] = await run('1 + 1')
  assert.equal(result.text, '2')
  await platform.call('DELETE', `/v1/sandboxes/${own.sandboxID}`)
})

test('a sandbox that is killed cuts the connection, and its health is 502', { skip }, async () => {
  const own = await create('code-interpreter-v1')
  const reply = await call('POST', '/execute', { code: 'print(1)\nimport time; time.sleep(60)' }, { of: own })
  const cut = assert.rejects(reply.text())
  await platform.call('DELETE', `/v1/sandboxes/${own.sandboxID}`)
  await cut
  const health = await call('GET', '/health', undefined, { of: own })
  assert.deepEqual([health.status, ((await health.json()) as Answer).code], [502, 502])
})
