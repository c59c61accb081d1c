import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })

function files(sources: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(sources).map(([path, text]) => [path, Buffer.from(text).toString('base64')]))
}

function deploy(name: string, sources: Record<string, string>, more: object = {}): Promise<Answer> {
  return platform.json('PUT', `/v1/functions/${name}`, { runtime: 'node24', files: files(sources), ...more })
}

async function refused(name: string, sources: Record<string, string>, more: object = {}): Promise<Answer> {
  const body = { runtime: 'node24', files: files(sources), ...more }
  const reply = await platform.call('PUT', `/v1/functions/${name}`, body)
  assert.ok(reply.status >= 400, `${reply.status}`)
  assert.equal((await platform.call('GET', `/v1/functions/${name}`)).status, 404, 'nothing is half deployed')
  return { status: reply.status, ...(await reply.json()) }
}

const invoke = (name: string, event: unknown, query = '') =>
  platform.call('POST', `/v1/functions/${name}/invoke${query}`, event === undefined ? undefined : JSON.stringify(event))

test('a function of TypeScript answers with what it returns, from several files', async () => {
  const made = await deploy('hello', {
    'index.ts': `import { greet } from './greet.ts'
      interface Event { name: string }
      export default async (event: Event, context: any) => ({ text: greet(event.name), version: context.functionVersion, left: context.getRemainingTimeInMillis() > 0 })`,
    'greet.ts': "export const greet = (name: string): string => 'hello ' + name",
  })
  assert.deepEqual([made.latest, made.live, made.runtime], [1, [{ version: 1, weight: 100 }], 'node24'])
  const reply = await invoke('hello', { name: 'Ada' })
  assert.equal(reply.status, 200, await reply.clone().text())
  assert.deepEqual(await reply.json(), { text: 'hello Ada', version: '1', left: true })
  assert.equal(reply.headers.get('x-warren-version'), '1')
  assert.equal((await deploy('hello', { 'index.ts': 'export default () => 2' })).latest, 2)
  assert.equal(
    (await deploy('hello', { 'index.ts': 'export default () => 2' })).latest,
    2,
    'the same is no new version',
  )
  assert.equal(await (await invoke('hello', {})).json(), 2)
  assert.deepEqual((await platform.json('POST', '/v1/functions/hello/rollback', {})).live, [
    { version: 1, weight: 100 },
  ])
  assert.equal((await (await invoke('hello', { name: 'Bo' })).json()).text, 'hello Bo')
  await platform.json('PUT', '/v1/functions/hello/aliases/beta', { targets: [{ version: 2, weight: 100 }] })
  assert.equal(await (await invoke('hello', {}, '?version=beta')).json(), 2)
  assert.equal((await invoke('hello', {}, '?version=9')).status, 404)

  assert.equal((await platform.call('DELETE', '/v1/functions/hello/aliases/beta')).status, 204)
  // The last ones are shown when transactions that began before them have ended: calls are being recorded.
  const told = await until('all is told', async () => {
    const { events } = await platform.json('GET', '/v1/events?limit=1000')
    const theirs = events.filter(({ data }: Answer) => data.name === 'hello')
    return theirs.length >= 5 ? theirs : undefined
  })
  assert.deepEqual(
    told.map(({ type, data }: Answer) => [type, data.version ?? data.targets.map((one: Answer) => one.version)]),
    [
      ['function.deployed', 1],
      ['function.deployed', 2],
      ['function.traffic_changed', [1]],
      ['function.alias_changed', [2]],
      ['function.alias_changed', []],
    ],
  )
})

test('an unmodified Lambda handler runs, async or with a callback', async () => {
  await deploy('lambda', {
    'index.js': `exports.handler = async (event, context) => ({ event, id: context.awsRequestId, name: context.functionName, ms: typeof context.getRemainingTimeInMillis() })`,
  })
  const answer = await (await invoke('lambda', { a: 1 })).json()
  assert.deepEqual([answer.event, answer.name, answer.ms], [{ a: 1 }, 'lambda', 'number'])
  assert.match(answer.id, /^c[a-z0-9]{20}$/)
  await deploy(
    'callback',
    {
      'app.js': `exports.main = (event, context, callback) => setTimeout(() => callback(null, { got: event.x }), 5)`,
    },
    { settings: { handler: 'app.main' } },
  )
  assert.deepEqual(await (await invoke('callback', { x: 7 })).json(), { got: 7 })
})

test('what cannot run is refused at deploy with the cause, and nothing is half deployed', async () => {
  const syntax = await refused('bad', { 'index.ts': 'export default () => {\n  const = 3\n}' })
  assert.equal(syntax.code, 'invalid_request')
  assert.match(syntax.message, /index\.ts:2:\d+/)
  const missing = await refused('bad', { 'index.ts': 'export const x = 1' })
  assert.equal(missing.details.reason, 'missing_handler')
  const thrown = await refused('bad', { 'index.ts': 'throw new Error("at the start")' })
  assert.match(thrown.message, /at the start/)
  const packages = await refused('bad', { 'index.ts': 'import x from "leftpad"; export default () => x' })
  assert.match(packages.message, /the package "leftpad" was not uploaded/)
  assert.match((await refused('bad', { 'index.ts': 'export default 1' }, { runtime: 'cobol' })).message, /node24/)
  assert.match((await refused('bad', { '../x.ts': 'export default () => 1' })).message, /no path/)
})

test('a call that fails says why, and its neighbours and the next call are unharmed', async () => {
  await deploy(
    'faults',
    {
      'index.js': `exports.handler = async (event) => {
      console.log('before', event.how)
      if (event.how === 'throw') throw new TypeError('no good')
      if (event.how === 'hang') for (;;);
      if (event.how === 'exit') process.exit(3)
      if (event.how === 'memory') { const all = []; for (;;) all.push(Buffer.alloc(8 << 20, 1)) }
      if (event.how === 'flood') for (let i = 0; i < 30000; i++) console.log('x'.repeat(100))
      if (event.how === 'large') return 'x'.repeat(7 << 20)
      if (event.how === 'disk') require('fs').writeFileSync('/tmp/big', Buffer.alloc(700 << 20))
      return 'fine'
    }`,
    },
    { settings: { timeoutSeconds: 2, memoryMb: 128, diskMb: 64 } },
  )
  const failure = async (how: string) => {
    const reply = await invoke('faults', { how })
    const { details, ...body } = await reply.json()
    assert.equal(await (await invoke('faults', { how: 'fine' })).json(), 'fine', `after ${how}`)
    return [reply.status, body.code, details.reason]
  }
  assert.deepEqual(await failure('throw'), [502, 'function_failed', 'error'])
  assert.deepEqual(await failure('hang'), [504, 'timeout', 'timeout'])
  assert.deepEqual(await failure('exit'), [502, 'function_failed', 'exited'])
  assert.deepEqual(await failure('large'), [502, 'function_failed', 'response_too_large'])
  const { runtimes } = await platform.json('GET', '/v1/runtimes')
  assert.ok(runtimes.length > 0)
  assert.deepEqual(await failure('memory'), [502, 'function_failed', 'out_of_memory'])
  assert.deepEqual(await failure('disk'), [502, 'function_failed', 'error'])
  assert.equal(await (await invoke('faults', { how: 'flood' })).json(), 'fine')
  const bad = await platform.call('POST', '/v1/functions/faults/invoke', '{not json')
  assert.equal(bad.status, 400)
  const { invocations } = await until('the calls are recorded', async () => {
    const found = await platform.json('GET', '/v1/functions/faults/invocations?limit=100')
    return found.invocations.length >= 14 && found
  })
  const flood = invocations.find(({ log }: Answer) => log.includes('flood'))
  assert.ok(flood.log.length <= 257 * 1024, `${flood.log.length}`)
  assert.match(
    invocations.find(({ error }: Answer) => error?.reason === 'error' && /no good/.test(error.message)).log,
    /before throw/,
  )
})

test('code of megabytes comes whole, and a worker has loaded nothing that its handler does not use', async () => {
  const text = 'x'.repeat(3_000_000)
  await deploy('large-code', {
    'index.js': `const text = '${text}'
      exports.handler = async () => ({ length: text.length, fetches: process.moduleLoadList.some((name) => /undici/.test(name)) })`,
  })
  assert.deepEqual(await (await invoke('large-code', {})).json(), { length: text.length, fetches: false })
})
