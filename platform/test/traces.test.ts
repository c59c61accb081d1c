import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findGpu, gpuPlaces } from '../src/engine/host/gpu.ts'
import { startPlatform, until } from './platform.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'
const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_LOG_LEVEL: 'info' })
const withTrace = (traceparent: string) => ({ headers: { traceparent } })

test('a request with traceparent is continued: the answer names our part of the trace', async () => {
  const reply = await platform.call('GET', '/v1/sandboxes', undefined, withTrace(`00-${traceId}-${parent}-01`))
  const [, trace, span] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(reply.headers.get('traceresponse') ?? '') ?? []
  assert.equal(trace, traceId)
  assert.notEqual(span, parent)
})

test('without one, or with one that is none, there is no trace', async () => {
  for (const init of [{}, withTrace('00-1-2-3'), withTrace(`00-${'0'.repeat(32)}-${parent}-01`)]) {
    const reply = await platform.call('GET', '/v1/sandboxes', undefined, init)
    assert.deepEqual([reply.status, reply.headers.get('traceresponse')], [200, null])
  }
})

test('what a request writes to the log has the trace', {
  skip: 'edits' in findGpu(gpuPlaces) && 'this host has a GPU, so the request that shall fail would not',
}, async () => {
  const body = { isolation: { gpu: true } }
  const reply = await platform.call('POST', '/v1/sandboxes', body, withTrace(`00-${traceId}-${parent}-00`))
  assert.equal(reply.status, 503)
  const line = await until('the refusal is logged', () =>
    platform
      .log()
      .split('\n')
      .find((text) => text.includes('request refused')),
  )
  const { trace_id, span_id, requestId } = JSON.parse(line)
  assert.equal(trace_id, traceId)
  assert.ok(reply.headers.get('traceresponse')?.includes(span_id))
  assert.equal(requestId, (await reply.json()).requestId)
})

test('a program has the trace of who runs it in its environment, by every door, unless it is given another', async () => {
  const path = await platform.sandbox()
  const id = path.split('/').at(-1)!
  const command = 'printf "%s" "$TRACEPARENT"'
  const printed = async (body: object, init = {}) =>
    (await (await platform.call('POST', `${path}/execute`, { command, ...body }, init)).json()).stdout
  const ours = withTrace(`00-${traceId}-${parent}-01`)
  const [, trace, span] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(await printed({}, ours)) ?? []
  assert.equal(trace, traceId)
  assert.notEqual(span, parent)
  assert.equal(await printed({}), '')
  assert.equal(await printed({ env: { TRACEPARENT: 'mine' } }, ours), 'mine')

  const { envdAccessToken } = await platform.json('GET', `/sandboxes/${id}`)
  const start = JSON.stringify({ process: { cmd: '/bin/sh', args: ['-c', `${command} > /tmp/inside`] } })
  const head = Buffer.alloc(5)
  head.writeUInt32BE(start.length, 1)
  const started = await platform.fetch('/process.Process/Start', {
    method: 'POST',
    headers: {
      ...{ 'e2b-sandbox-id': id, 'e2b-sandbox-port': '49983', 'x-access-token': envdAccessToken },
      ...{ 'content-type': 'application/connect+json', ...ours.headers },
    },
    body: Buffer.concat([head, Buffer.from(start)]),
  })
  await started.text()
  const inside = await (await platform.call('GET', `${path}/files?path=/tmp/inside`)).text()
  assert.match(inside, new RegExp(`^00-${traceId}-`))
  await platform.call('DELETE', path)
})
