import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })

async function deploy(name: string, source: string, settings: object = {}): Promise<Answer> {
  const files = { 'index.js': Buffer.from(source).toString('base64') }
  return platform.json('PUT', `/v1/functions/${name}`, { runtime: 'node24', files, settings })
}

const invoke = (name: string, body: string, headers: Record<string, string> = {}, query = '') =>
  platform.call('POST', `/v1/functions/${name}/invoke${query}`, body, { headers })

const own = /^(date|x-request-id|traceresponse|x-warren-invocation|x-warren-cold-start|ratelimit-(remaining|reset))$/

async function told(reply: Awaited<ReturnType<typeof invoke>>): Promise<object> {
  const headers = Object.fromEntries([...reply.headers].filter(([name]) => !own.test(name)))
  // Each call is another part of a trace, or of none that was named.
  const told = (await reply.text())
    .replace(/-[0-9a-f]{16}-01"/g, '-PART-01"')
    .replace(/"00-[0-9a-f-]{49}-00"/g, '"OWN"')
  const text = told.replace(/\b[rc][a-z0-9]{20}\b/g, 'ID')
  // The order of an object's members is nobody's promise.
  const body = headers['content-type']?.includes('json') && text !== '' ? JSON.parse(text) : text
  return { status: reply.status, headers: { ...headers, 'content-length': undefined }, body }
}

test('a plain call and one that goes through the router are answered alike', async () => {
  await deploy(
    'alike',
    `exports.handler = async (event, context) => {
      if (event.throws) throw new RangeError('no')
      if (event.streams) return (async function* () { yield 'one '; yield 'two' })()
      return { text: 'grün ✓', got: event, traced: context.traceparent }
    }`,
  )
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  for (const [body, headers] of [
    ['{"a":"ü"}', { traceparent }],
    ['{"throws":1}', {}],
    ['{"streams":1}', {}],
    ['{no json', {}],
    ['{}', { 'x-api-key': 'wrong' }],
    ['{}', { 'warren-organisation': 'nobody' }],
    ['{}', { 'content-type': 'text/plain' }],
  ] as const) {
    const [plain, routed] = [await invoke('alike', body, headers), await invoke('alike', body, headers, '?version=1')]
    const [left, right] = [await told(plain), await told(routed)]
    assert.deepEqual(left, right, body)
    assert.match(plain.headers.get('x-request-id') ?? '', /^r[a-z0-9]{20}$/)
    assert.equal(plain.headers.has('traceresponse'), 'traceparent' in headers)
  }
  assert.deepEqual(
    await told(await invoke('nothing', '{}')),
    await told(await invoke('nothing', '{}', {}, '?version=1')),
  )
  const large = await invoke('alike', `"${'x'.repeat(7 << 20)}"`)
  assert.deepEqual([large.status, (await large.json()).details.limit], [413, 6 << 20])
})

test('who makes as many calls at once as the quota has is told so, and what is queued waits', async () => {
  await deploy('slow', 'exports.handler = (event) => new Promise((done) => setTimeout(done, event.ms, event.ms))')
  await platform.json('PUT', '/v1/quotas', { quotas: { functions: 1 } })
  try {
    const first = invoke('slow', '{"ms":1500}')
    await until('the call runs', async () => {
      const { quotas } = await platform.json('GET', '/v1/quotas')
      return quotas.find(({ name }: Answer) => name === 'functions').used === 1
    })
    const second = await invoke('slow', '{"ms":1}')
    const problem = await second.json()
    assert.deepEqual([second.status, problem.code], [429, 'limit_exceeded'])
    assert.deepEqual(problem.details, { quota: 'functions', limit: 1 })
    assert.equal(second.headers.get('retry-after'), '1')
    const queued = await platform.call('POST', '/v1/functions/slow/invocations', '{"ms":2}')
    const { id } = await queued.json()
    assert.equal(await (await first).json(), 1500)
    const { result, attempt } = await until('the queued call is made', async () => {
      const found = await platform.json('GET', `/v1/functions/slow/invocations/${id}`)
      return found.state === 'succeeded' && found
    })
    assert.deepEqual([result, attempt], [2, 1])
    assert.equal(await (await invoke('slow', '{"ms":1}')).json(), 1)
  } finally {
    await platform.json('PUT', '/v1/quotas', { quotas: { functions: null } })
  }
})

test('the processor time of calls is counted, whatever they answer', async () => {
  await deploy(
    'busy',
    `exports.handler = async ({ ms }) => { const end = Date.now() + ms; if (ms > 0) while (Date.now() < end); return 'done' }`,
    { timeoutSeconds: 1 },
  )
  await (await invoke('busy', '{"ms":300}')).json()
  assert.equal((await invoke('busy', '{"ms":60000}')).status, 504)
  const { invocations } = await platform.json('GET', '/v1/functions/busy/invocations')
  const [hung, done] = invocations
  assert.deepEqual([done.error, hung.error.reason], [undefined, 'timeout'])
  // On a busy machine a loop by the clock has less of the processor.
  assert.ok(done.cpuMs >= 20 && done.cpuMs < 5000, `${done.cpuMs}`)
  assert.ok(hung.cpuMs >= 50 && hung.cpuMs < 5000, `${hung.cpuMs}`)
})

test('instances that are to be kept are there before the first call, and go with a later version', async () => {
  const refused = await platform.call('PUT', '/v1/functions/kept', {
    ...{ runtime: 'node24', files: { 'index.js': Buffer.from('exports.handler = async () => 1').toString('base64') } },
    settings: { minInstances: 3, maxInstances: 2 },
  })
  assert.equal(refused.status, 400)
  await deploy('kept', 'const at = Date.now(); exports.handler = async () => at', { minInstances: 2 })
  const before = Date.now()
  await until('two are there', async () => (await platform.json('GET', '/v1/functions/kept')).instances === 2)
  const reply = await invoke('kept', '{}')
  assert.ok(Number(await reply.text()) >= before - 60_000)
  await deploy('kept', 'exports.handler = async () => 2', { minInstances: 0 })
  // One may be there because it was called a moment ago.
  await until('they are gone', async () => (await platform.json('GET', '/v1/functions/kept')).instances <= 1)
  assert.equal(await (await invoke('kept', '{}')).json(), 2)
})

test('a call that waits for an instance has one, though a later version comes meanwhile', async () => {
  const slow = (version: number) =>
    `exports.handler = () => new Promise((done) => setTimeout(done, ${version === 1 ? 4000 : 0}, ${version}))`
  await deploy('waited', slow(1), { maxInstances: 1 })
  const calls = [invoke('waited', '{}'), invoke('waited', '{}')]
  await until(
    'one of them is being made',
    async () => (await platform.json('GET', '/v1/functions/waited')).instances === 1,
  )
  await deploy('waited', slow(2), { maxInstances: 1 })
  const answers = await Promise.all(calls.map(async (call) => (await call).text()))
  assert.deepEqual(answers, ['1', '1'])
  assert.equal(await (await invoke('waited', '{}')).text(), '2')
})

test('an instance lives on when the time is over that its start might have taken', async () => {
  await deploy('old', 'let n = 0; exports.handler = async () => ++n')
  assert.equal(await (await invoke('old', '{}')).json(), 1)
  await sleep(31_000)
  assert.equal(await (await invoke('old', '{}')).json(), 2)
})

test('a repeat of a call with a key that ran when the platform was killed is answered', async () => {
  await deploy(
    'lasting',
    'exports.handler = async (event) => { await new Promise((r) => setTimeout(r, event.ms)); return event }',
  )
  const key = { 'idempotency-key': 'once' }
  const cut = invoke('lasting', '{"ms":1500,"n":7}', key).then(
    () => 'answered',
    () => 'cut off',
  )
  await until('it runs', async () => {
    const { invocations } = await platform.json('GET', '/v1/functions/lasting/invocations')
    return invocations[0]?.state === 'running'
  })
  await platform.kill('SIGKILL')
  assert.equal(await cut, 'cut off')
  await platform.start()
  const repeats = await Promise.all([1, 2].map(async () => (await invoke('lasting', '{"ms":1500,"n":8}', key)).json()))
  assert.deepEqual(repeats, [
    { ms: 1500, n: 7 },
    { ms: 1500, n: 7 },
  ])
  const { invocations } = await platform.json('GET', '/v1/functions/lasting/invocations')
  assert.deepEqual(
    invocations.map(({ state }: Answer) => state),
    ['succeeded'],
  )
})

test('code that was being written when the platform was killed is gone after its start', async () => {
  await platform.kill('SIGKILL')
  const left = `${platform.home}/functions/code/${'0'.repeat(64)}.of-nobody.tmp`
  await writeFile(left, 'half of it')
  await platform.start()
  assert.ok(!existsSync(left))
})
