import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import pg from 'pg'
import { type Answer, startPlatform, until } from './platform.ts'
import { startSharedPostgres, whyNoPostgres } from './test-database.ts'

interface Received {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: Record<string, string>
  failed: boolean
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'
const received: Received[] = []
const refused: string[] = []
let answers = 200

/** Takes nothing but what opentelemetry-proto allows in its JSON form. */
function take({ resourceSpans }: Answer): void {
  for (const { resource, scopeSpans } of resourceSpans) {
    assert.deepEqual(resource.attributes, [{ key: 'service.name', value: { stringValue: 'warren' } }])
    for (const { spans } of scopeSpans)
      for (const span of spans) {
        const { traceId, spanId, parentSpanId, name, kind, startTimeUnixNano, endTimeUnixNano, status } = span
        assert.match(traceId, /^[0-9a-f]{32}$/)
        assert.match(spanId, /^[0-9a-f]{16}$/)
        if (parentSpanId !== undefined) assert.match(parentSpanId, /^[0-9a-f]{16}$/)
        assert.ok(name.length > 0 && [1, 2, 3].includes(kind))
        assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano))
        assert.ok(Math.abs(Number(BigInt(startTimeUnixNano) / 1_000_000n) - Date.now()) < 60_000)
        assert.ok(status.code === undefined || status.code === 2)
        const attributes = Object.fromEntries(
          span.attributes.map(({ key, value }: Answer) => [
            key,
            value.stringValue ?? value.intValue ?? value.arrayValue,
          ]),
        )
        received.push({ ...{ traceId, spanId, parentSpanId, name, kind }, attributes, failed: status.code === 2 })
      }
  }
}

const collector = http.createServer(async (request, response) => {
  let text = ''
  for await (const piece of request) text += piece
  const { method, url, headers } = request
  try {
    assert.deepEqual([method, url, headers['content-type']], ['POST', '/v1/traces', 'application/json'])
    assert.equal(headers['x-tenant'], 'a b')
    if (answers === 200) take(JSON.parse(text))
  } catch (error) {
    refused.push(String(error))
  }
  response.writeHead(answers, { 'content-type': 'application/json' }).end('{}')
})
await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
after(() => collector.close())

const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`,
  OTEL_EXPORTER_OTLP_HEADERS: 'X-Tenant=a%20b',
})
const traced = (flags: string) => ({ headers: { traceparent: `00-${traceId}-${parent}-${flags}` } })

test('a request is a span of the trace that it names, with the steps it causes and what the guest is asked', async () => {
  const made = await platform.call('POST', '/v1/sandboxes', {}, traced('01'))
  const { id } = await made.json()
  assert.equal(made.status, 201)
  await platform.call('POST', `/v1/sandboxes/${id}/execute`, { command: 'true' }, traced('01'))
  const requests = await until('both requests are told', () => {
    const found = received.filter((span) => span.traceId === traceId && span.kind === 2)
    return found.length >= 2 && found
  })
  const [create, execute] = requests as [Received, Received]
  for (const span of [create, execute]) assert.equal(span.parentSpanId, parent)
  assert.equal(create.attributes['http.response.status_code'], '201')
  assert.equal(execute.attributes['url.path'], `/v1/sandboxes/${id}/execute`)
  const below = (span: Received): Received[] =>
    received.filter(({ parentSpanId }) => parentSpanId === span.spanId).flatMap((part) => [part, ...below(part)])
  await until('the steps are told', () => below(create).some(({ name }) => name === 'keeper.launch'))
  assert.ok(
    below(create).some(({ name, attributes }) => name === 'sandbox.reserve' && attributes['warren.subject'] === id),
  )
  await until('the program is told', () => below(execute).some(({ name, kind }) => name === 'guest.exec' && kind === 3))
  assert.deepEqual(refused, [])
})

test('a call of a function is a part of the trace, its code has that in its context, and what it calls is a part of it', async () => {
  const code = (source: string) => ({ 'index.js': Buffer.from(source).toString('base64') })
  const inner = code(
    'exports.handler = async (event, { traceparent, attempt }) => { if (attempt === 1 && event.fails) throw new Error("no"); return traceparent }',
  )
  const outer = code(
    'exports.handler = async (event, context) => [context.traceparent, await context.invoke("inner", event)]',
  )
  const settings = { retries: 1, retrySeconds: 0.05 }
  await platform.json('PUT', '/v1/functions/inner', { runtime: 'node24', files: inner, settings })
  await platform.json('PUT', '/v1/functions/outer', {
    runtime: 'node24',
    files: outer,
    settings: { invokes: ['inner'] },
  })
  const own = '5cf92f3577b34da6a3ce929d0e0e4737'
  const headers = { traceparent: `00-${own}-${parent}-01` }
  const [ofOuter, ofInner]: string[] = await (
    await platform.call('POST', '/v1/functions/outer/invoke', { fails: true }, { headers })
  ).json()
  const spanOf = (traceparent: string | undefined) =>
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(traceparent ?? '')?.slice(1)
  assert.deepEqual([spanOf(ofOuter)?.[0], spanOf(ofInner)?.[0]], [own, own])
  const [first, ...inners] = await until('the calls are told', () => {
    const found = received.filter(({ traceId, name }) => traceId === own && name.startsWith('invoke '))
    return found.length >= 3 ? found.toSorted((a, b) => b.name.localeCompare(a.name)) : undefined
  })
  const request = received.find(({ traceId, kind }) => traceId === own && kind === 2)
  assert.deepEqual([first!.spanId, first!.parentSpanId], [spanOf(ofOuter)?.[1], request?.spanId])
  assert.deepEqual([first!.attributes['faas.invoked_name'], first!.failed], ['outer', false])
  assert.deepEqual(
    inners.map(({ parentSpanId }) => parentSpanId),
    [first!.spanId, first!.spanId],
  )
  assert.deepEqual(inners.map(({ failed, attributes }) => [attributes['warren.attempt'], failed]).sort(), [
    ['1', true],
    ['2', false],
  ])
  assert.ok(inners.some(({ spanId }) => spanId === spanOf(ofInner)?.[1]))

  const alone = (await platform.json('POST', '/v1/functions/inner/invoke', {})) as string
  assert.ok(spanOf(alone) && spanOf(alone)![0] !== own, 'a call without a trace has one of its own')
  assert.deepEqual(refused, [])
})

test('one that says it is not recorded is not; one that names no trace has its own; keys are not told', async () => {
  const before = received.length
  await platform.call('GET', '/v1/sandboxes', undefined, traced('00'))
  const own = await platform.call('GET', `/v1/sandboxes?key=${platform.key}`)
  assert.equal(own.status, 400)
  const [, ownTrace] = /^00-([0-9a-f]{32})-/.exec(own.headers.get('traceresponse') ?? '') ?? []
  await until('its span', () => received.slice(before).some((span) => span.traceId === ownTrace))
  assert.ok(received.slice(before).every((span) => span.traceId !== traceId))
  assert.ok(!JSON.stringify(received).includes(platform.key))
})

test('a run of an agent is a trace by the conventions for generative AI, without what was said', async () => {
  const script = [{ calls: [{ name: 'calculator', arguments: { expression: '6 * 7' } }] }, { text: 'hidden words' }]
  const agent = { name: 'traced', model: 'scripted', tools: ['calculator'], script }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'hidden task' })
  const own = () => received.filter(({ attributes }) => attributes['gen_ai.conversation.id'] === runId)
  const whole = await until('the run is told', () => own().find(({ name }) => name === 'invoke_agent traced'))
  const parts = own().filter((span) => span !== whole)
  assert.deepEqual(
    parts.map(({ name, kind }) => [name, kind]),
    [
      ['chat scripted', 3],
      ['execute_tool calculator', 1],
      ['chat scripted', 3],
    ],
  )
  for (const span of parts) assert.deepEqual([span.traceId, span.parentSpanId], [whole.traceId, whole.spanId])
  assert.equal(parts[1]!.attributes['gen_ai.tool.name'], 'calculator')
  assert.ok(Number(parts[0]!.attributes['gen_ai.usage.output_tokens']) > 0)
  assert.equal(whole.attributes['warren.run.reason'], 'completed')
  assert.doesNotMatch(JSON.stringify(received), /hidden|6 \* 7/)
  assert.deepEqual(refused, [])
})

test('what a model makes up, such as names of tools and of steps, is in no span', async () => {
  const steps = [{ id: 'hidden step', task: 'Compute.' }]
  const script = [
    { calls: [{ name: 'make_plan', arguments: { steps } }] },
    { calls: [{ id: 'hidden id', name: 'hidden_tool', arguments: {} }] },
    { calls: [{ name: 'calculator', arguments: { expression: '"hidden"' } }] },
    { text: 'hidden' },
    { text: 'hidden' },
  ]
  const agent = { name: 'inventive', model: 'scripted', policy: 'plan', tools: ['calculator'], script }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'hidden task' })
  const own = () => received.filter(({ attributes }) => attributes['gen_ai.conversation.id'] === runId)
  await until('the run is told', () => own().find(({ name }) => name === 'invoke_agent inventive'))
  assert.ok(own().some(({ name }) => name === 'execute_tool unknown'))
  assert.ok(own().some(({ attributes }) => /^step:1:[0-9a-f]{8}:1$/.test(attributes['warren.thread']!)))
  assert.doesNotMatch(JSON.stringify(received), /hidden/)
  const chat = own().find(({ name }) => name === 'chat scripted')!
  assert.equal(chat.attributes['gen_ai.provider.name'], 'warren')
  assert.deepEqual(chat.attributes['gen_ai.response.finish_reasons'], { values: [{ stringValue: 'tool_calls' }] })
  assert.deepEqual(refused, [])
})

test('what a worker does is in the trace of the platform that passed it on, from the door to the guest', {
  skip: (await whyNoPostgres('embedded')) || undefined,
}, async (t) => {
  let stopDatabase = async () => {}
  const { databaseUrl } = await startSharedPostgres({ after: (stop) => (stopDatabase = stop) })
  const env = {
    ...{ DATABASE_URL: databaseUrl, WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '0' },
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'X-Tenant=a%20b',
  }
  const front = await startPlatform(env)
  const keys = ['admin.key', 'token.seed', 'accounts.seed', 'secrets.key']
  const copied = (home: string) => Promise.all(keys.map((name) => copyFile(join(front.home, name), join(home, name))))
  const worker = await startPlatform(
    { ...env, WARREN_NODE: 'worker' },
    { prepare: (home) => copied(home).then(() => {}) },
  )
  t.after(async () => {
    await worker.kill('SIGTERM')
    await front.kill('SIGTERM')
    await stopDatabase()
  })
  await until('the worker is known', async () => {
    const { nodes } = await front.json('GET', '/v1/nodes')
    return nodes.some(({ state }: Answer) => state === 'ready')
  })
  const nodeOf = async (id: string) => {
    const pool = new pg.Client({ connectionString: databaseUrl })
    await pool.connect()
    const { rows } = await pool.query('select node from sandboxes where id = $1', [id])
    await pool.end()
    return rows[0].node
  }
  let away = ''
  await until('one is on the worker', async () => {
    const { id } = await front.json('POST', '/v1/sandboxes', {})
    if ((await nodeOf(id)) !== null) away = id
    return away !== ''
  })
  for (const [own, headers] of [
    ['6cf92f3577b34da6a3ce929d0e0e4738', { traceparent: `00-6cf92f3577b34da6a3ce929d0e0e4738-${parent}-01` }],
    [undefined, {}],
  ] as const) {
    const command = 'printf "%s" "$TRACEPARENT"'
    const answer = await front.call('POST', `/v1/sandboxes/${away}/execute`, { command }, { headers })
    const [, inside] = /^00-([0-9a-f]{32})-/.exec((await answer.json()).stdout) ?? []
    assert.ok(inside && (own === undefined || inside === own), 'its program is told the trace')
    const ofTrace = () => received.filter(({ traceId }) => traceId === inside)
    const [outer, inner] = await until('both have told their part', () => {
      const served = ofTrace().filter(({ kind }) => kind === 2)
      const outer = served.find(({ parentSpanId }) => parentSpanId === (own && parent))
      const inner = served.find(({ parentSpanId }) => outer && parentSpanId === outer.spanId)
      return outer && inner && ([outer, inner] as const)
    })
    assert.equal(outer.attributes['url.path'], inner.attributes['url.path'])
    await until('and the guest of the worker', () => {
      const upwards = (span: Received | undefined): boolean =>
        span !== undefined &&
        (span.spanId === inner.spanId || upwards(ofTrace().find((up) => up.spanId === span.parentSpanId)))
      return ofTrace().some((span) => span.name === 'guest.exec' && upwards(span))
    })
  }
  assert.deepEqual(refused, [])
})

test('a collector that refuses holds up nobody: what it did not take is counted', async () => {
  answers = 503
  assert.equal((await platform.call('GET', '/v1/sandboxes')).status, 200)
  await until('it is counted', async () =>
    /^trace_spans_dropped [1-9]/m.test(await (await platform.call('GET', '/metrics')).text()),
  )
})
