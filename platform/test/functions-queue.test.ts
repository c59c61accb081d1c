import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })

async function deploy(name: string, source: string, settings: object = {}): Promise<Answer> {
  const files = { 'index.js': Buffer.from(source).toString('base64') }
  return platform.json('PUT', `/v1/functions/${name}`, { runtime: 'node24', files, settings })
}

const call = (path: string, event: unknown, headers: Record<string, string> = {}) =>
  platform.call('POST', `/v1/functions/${path}`, JSON.stringify(event), { headers })

async function ended(name: string, id: string): Promise<Answer> {
  return until(
    `${id} has ended`,
    async () => {
      const found = await platform.json('GET', `/v1/functions/${name}/invocations/${id}`)
      return ['succeeded', 'failed'].includes(found.state) && found
    },
    60_000,
  )
}

test('an asynchronous call is accepted at once, made, and its result kept', async () => {
  await deploy('double', 'exports.handler = async ({ x }) => x * 2')
  const reply = await call('double/invocations', { x: 21 })
  assert.equal(reply.status, 202)
  const { id } = await reply.json()
  const found = await ended('double', id)
  assert.deepEqual([found.state, found.result, found.attempt, found.trigger], ['succeeded', 42, 1, 'async'])
  assert.equal((await call('double/invoke', { x: 1 }, { prefer: 'respond-async' })).status, 202)
})

test('a call that fails is made again with pauses, and then goes to its destination', async () => {
  await platform.json('PUT', '/v1/queues/dead', {})
  await deploy(
    'flaky',
    `exports.handler = async (event, context) => {
    if (context.attempt < 3) throw new Error('not yet')
    return context.attempt
  }`,
    { retries: 2, retrySeconds: 0.05 },
  )
  const { id } = await (await call('flaky/invocations', {})).json()
  const found = await ended('flaky', id)
  assert.deepEqual([found.state, found.result, found.attempt], ['succeeded', 3, 3])
  await deploy('hopeless', `exports.handler = async () => { throw new Error('never') }`, {
    retries: 1,
    retrySeconds: 0.05,
    onFailure: { queue: 'dead' },
  })
  const lost = await ended('hopeless', (await (await call('hopeless/invocations', { n: 5 })).json()).id)
  assert.deepEqual([lost.state, lost.error.message, lost.attempt], ['failed', 'never', 2])
  const { messages } = await platform.json('POST', '/v1/queues/dead/receive', {})
  assert.deepEqual([messages[0].body.payload, messages[0].body.error.reason], [{ n: 5 }, 'error'])
})

test('a repeat with the same key gets the first result, synchronously and not', async () => {
  await deploy('counter', 'let n = 0; exports.handler = async () => ++n', { maxInstances: 1 })
  const key = { 'idempotency-key': 'order-1' }
  const answers = await Promise.all([1, 2, 3].map(async () => (await call('counter/invoke', {}, key)).json()))
  assert.deepEqual(answers, [1, 1, 1])
  const { id, repeated } = await (await call('counter/invocations', {}, key)).json()
  assert.equal(repeated, true)
  assert.equal((await ended('counter', id)).result, 1)
  assert.equal(await (await call('counter/invoke', {}, { 'idempotency-key': 'order-2' })).json(), 2)
})

test('a repeat with the same key gets the whole of the first answer: status, headers and bytes', async () => {
  const made = await deploy(
    'whole',
    `let n = 0
    exports.default = async (request) => {
      if (!(request instanceof Request)) return new Response('made', { status: 202, headers: { 'x-own': 'event ' + ++n } })
      const body = new Uint8Array([0, 255, 128, (await request.text()).length])
      return new Response(body, { status: 203, headers: [['x-own', request.method + ++n], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] })
    }`,
    { maxInstances: 1 },
  )
  const at = new URL(made.url).pathname
  const send = async (path: string, key: string) => {
    const reply = await platform.call('POST', `${at}${path}`, 'four', { headers: { 'idempotency-key': key } })
    const { headers } = reply
    const told = ['x-own', 'x-warren-invocation', 'x-warren-cold-start'].map((name) => headers.get(name))
    return [reply.status, ...told, headers.getSetCookie(), [...new Uint8Array(await reply.arrayBuffer())]]
  }
  const first = await send('/pay', 'k1')
  assert.deepEqual([first[0], first[1], ...first.slice(4)], [203, 'POST1', ['a=1', 'b=2'], [0, 255, 128, 4]])
  assert.deepEqual(await send('/pay', 'k1'), first)
  assert.equal((await send('/refund', 'k1'))[1], 'POST2')
  const event = async () => {
    const reply = await call('whole/invoke', {}, { 'idempotency-key': 'k1' })
    return [reply.status, reply.headers.get('x-own'), await reply.text()]
  }
  const second = await event()
  assert.deepEqual(second, [202, 'event 3', 'made'])
  assert.deepEqual(await event(), second)
  const { invocations } = await platform.json('GET', '/v1/functions/whole/invocations')
  assert.deepEqual([invocations.length, invocations[0].head.status, invocations[0].result], [3, 202, 'made'])
})

test('what a function says cannot stop the recording of others, and what is kept of it is bounded', async () => {
  await deploy(
    'odd',
    `exports.default = async ({ how }) => {
      if (how === 'half') throw new Error('half \\ud800 and \\0 nothing')
      return new Response(new ReadableStream({ pull(c) { this.n = (this.n ?? 0) + 1; this.n > 40 ? c.close() : c.enqueue(new Uint8Array(65536)) } }))
    }`,
    { retries: 0 },
  )
  const half = await (await call('odd/invocations', { how: 'half' })).json()
  const large = await (await call('odd/invocations', { how: 'large' })).json()
  assert.equal((await ended('odd', half.id)).error.message, 'half \ufffd and  nothing')
  const { error } = await ended('odd', large.id)
  assert.equal(error.reason, 'response_too_large')
  assert.match(error.message, /^the answer has 2621\d+ bytes, over the 1048576/)
})

test('steps that were finished are not done again by a later attempt', async () => {
  await deploy(
    'steps',
    `let done = 0
    exports.handler = async (event, context) => {
      const first = await context.step('first', () => ++done)
      if (context.attempt === 1) throw new Error('after the first step')
      return { first, done: await context.step('second', () => done) }
    }`,
    { retries: 1, retrySeconds: 0.05, maxInstances: 1 },
  )
  const { id } = await (await call('steps/invocations', {})).json()
  assert.deepEqual((await ended('steps', id)).result, { first: 1, done: 1 })
})

test('a schedule calls each of its times once, and a bad one is refused', async () => {
  await deploy('tick', 'exports.handler = async (event) => ({ time: event.time, data: event.data, type: event.type })')
  const made = await platform.json('POST', '/v1/functions/tick/schedules', { cron: '* * * * * *', payload: { a: 1 } })
  const found = await until(
    'it was called three times',
    async () => {
      const { invocations } = await platform.json('GET', '/v1/functions/tick/invocations?state=succeeded')
      return invocations.length >= 3 && invocations
    },
    60_000,
  )
  await platform.call('DELETE', `/v1/functions/tick/schedules/${made.id}`)
  const times = found.map(({ result }: Answer) => result.time)
  assert.equal(new Set(times).size, times.length)
  assert.deepEqual([found[0].result.data, found[0].trigger], [{ a: 1 }, 'cron'])
  const bad = await platform.call('POST', '/v1/functions/tick/schedules', { cron: '61 * * * *' })
  assert.equal(bad.status, 400)
  assert.match((await bad.json()).message, /"61 \* \* \* \*" is no cron expression/)
  const zone = await platform.call('POST', '/v1/functions/tick/schedules', { cron: '* * * * *', timeZone: 'Mars/Base' })
  assert.match((await zone.json()).message, /no time zone/)
})

test('a queue gives its messages to a function, in order by group, and dead letters where they belong', async () => {
  await platform.json('PUT', '/v1/queues/letters', {})
  await platform.json('PUT', '/v1/queues/work', { visibilitySeconds: 1, maxReceives: 2, deadLetterQueue: 'letters' })
  const bodies = ['a1', 'b1', 'a2', 'bad']
  const messages = bodies.map((body) => ({ body, ...(body === 'bad' ? {} : { group: body[0] }) }))
  assert.equal((await platform.json('POST', '/v1/queues/work/messages', { messages })).ids.length, 4)
  const first = await platform.json('POST', '/v1/queues/work/receive', {})
  assert.deepEqual(
    first.messages.map(({ body }: Answer) => body),
    ['a1', 'b1', 'bad'],
  )
  assert.equal(
    (
      await platform.json('POST', '/v1/queues/work/delete', {
        messages: first.messages.slice(0, 2).map(({ id, receipt }: Answer) => ({ id, receipt })),
      })
    ).deleted,
    2,
  )
  const second = await platform.json('POST', '/v1/queues/work/receive', {})
  assert.deepEqual(
    second.messages.map(({ body }: Answer) => body),
    ['a2'],
  )
  await deploy(
    'worker',
    `exports.handler = async ({ messages }) => messages.map(({ body }) => { console.log('took', body); return body })`,
  )
  await platform.json('PUT', '/v1/queues/jobs', { function: 'worker' })
  await platform.json('POST', '/v1/queues/jobs/messages', { messages: [{ body: 'x' }, { body: 'y' }] })
  await until(
    'they were taken',
    async () => {
      const { waiting, inFlight } = await platform.json('GET', '/v1/queues/jobs')
      return waiting + inFlight === 0
    },
    60_000,
  )
  await sleep(1100)
  await platform.json('POST', '/v1/queues/work/receive', {})
  await sleep(1100)
  await platform.json('POST', '/v1/queues/work/receive', {})
  assert.ok((await platform.json('GET', '/v1/queues/letters')).waiting >= 1)
})

test('what was accepted is made although the platform is killed, and counted once', async () => {
  await deploy('slow', 'exports.handler = async ({ n }) => { await new Promise((r) => setTimeout(r, 50)); return n }')
  const ids = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => (await (await call('slow/invocations', { n })).json()).id),
  )
  await platform.kill('SIGKILL')
  await platform.start()
  const results = []
  for (const id of ids) results.push((await ended('slow', id)).result)
  assert.deepEqual(
    results,
    Array.from({ length: 100 }, (_, n) => n),
  )
})

test('a URL takes any request: web handlers get a Request, Lambda handlers the event they know', async () => {
  const web = await deploy(
    'web',
    `export default async (request) => {
    const url = new URL(request.url)
    if (url.pathname === '/stream') return new Response(new ReadableStream({ start(c) { c.enqueue('one '); c.enqueue('two'); c.close() } }))
    return new Response(request.method + ' ' + url.pathname + url.search + ' ' + (await request.text()), { status: 201, headers: { 'x-own': 'yes' } })
  }`,
    { public: true },
  )
  const at = (url: string, path: string) => `/f/${new URL(url).pathname.split('/')[2]}${path}`
  const reply = await platform.fetch(at(web.url, '/a/b?c=d'), { method: 'POST', body: 'hi' })
  assert.deepEqual([reply.status, await reply.text(), reply.headers.get('x-own')], [201, 'POST /a/b?c=d hi', 'yes'])
  assert.equal(await (await platform.fetch(at(web.url, '/stream'))).text(), 'one two')
  const aws = await deploy(
    'aws',
    `exports.handler = async (event) => ({ statusCode: 418, headers: { 'x-path': event.rawPath }, body: event.body ?? event.requestContext.http.method })`,
  )
  assert.equal((await platform.fetch(at(aws.url, '/t'))).status, 401)
  const answer = await platform.call('GET', at(aws.url, '/t?q=1'))
  assert.deepEqual([answer.status, await answer.text(), answer.headers.get('x-path')], [418, 'GET', '/t'])
})

test('each call is a fact of use, with its memory and time', async () => {
  await deploy('used', 'exports.handler = async () => 1', { memoryMb: 128 })
  await call('used/invoke', {}).then((reply) => reply.text())
  const { invocations } = await until('it is recorded', async () => {
    const found = await platform.json('GET', '/v1/functions/used/invocations')
    return found.invocations.length === 1 && found
  })
  assert.ok(invocations[0].billedMs >= 1)
  const { counts } = await platform.json('GET', '/v1/functions/used')
  assert.deepEqual([counts.invocations, counts.errors, counts.coldStarts], [1, 0, 1])
})

test('CloudEvents come as one event each, binary, structured and as a batch', async () => {
  await deploy('events', 'exports.handler = async (event) => event')
  const binary = await call(
    'events/invoke',
    { n: 1 },
    {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': '7',
      'ce-source': '/s',
      'ce-type': 't',
    },
  )
  const event = await binary.json()
  assert.deepEqual([event.id, event.source, event.data], ['7', '/s', { n: 1 }])
  const given = { specversion: '1.0', id: '8', source: '/s', type: 't', data: 2 }
  const structured = await call('events/invoke', given, { 'content-type': 'application/cloudevents+json' })
  assert.deepEqual(await structured.json(), given)
  const batch = await call('events/invocations', [given, { ...given, id: '9' }], {
    'content-type': 'application/cloudevents-batch+json',
  })
  assert.equal((await batch.json()).ids.length, 2)
  const broken = await call(
    'events/invoke',
    { ...given, specversion: '0.3' },
    { 'content-type': 'application/cloudevents+json' },
  )
  assert.match((await broken.json()).message, /specversion/)
})

test('what PostgreSQL cannot store as JSON is passed on without it, and holds up nobody', async () => {
  await platform.json('PUT', '/v1/queues/odd', {})
  await deploy('odd', 'exports.handler = async ({ text }) => text + String.raw`\\u0000`', {
    onSuccess: { queue: 'odd' },
  })
  for (const text of ['\0a', '\ud800b', '\\u0000c']) {
    const { id } = await (await call('odd/invocations', { text })).json()
    assert.equal((await ended('odd', id)).state, 'succeeded')
  }
  const { messages } = await platform.json('POST', '/v1/queues/odd/receive', { most: 10 })
  const told = messages.map(({ body }: Answer) => body.payload.text).sort()
  assert.deepEqual(told, ['\\u0000c', 'a', '\ufffdb'])
})
