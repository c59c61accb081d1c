import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })
await platform.json('POST', '/v1/buckets', { name: 'inbox' })
const deploy = (name: string, source: string, settings: object = {}) =>
  platform.json('PUT', `/v1/functions/${name}`, {
    runtime: 'node24',
    files: { 'index.js': Buffer.from(source).toString('base64') },
    settings,
  })
const path = (name: string) => `/v1/functions/${name}/storage-triggers`
const put = (key: string, body: string) => platform.json('PUT', `/v1/buckets/inbox/objects/${key}`, body)
const remove = (key: string) => platform.call('DELETE', `/v1/buckets/inbox/objects/${key}`)

/** What calls of a function by storage came to, the oldest first, once there are so many. */
async function calls(name: string, count: number): Promise<Answer[]> {
  return until(
    `${name} was called ${count} times`,
    async () => {
      const { invocations } = await platform.json('GET', `/v1/functions/${name}/invocations?limit=100`)
      const over = invocations.filter(({ state }: Answer) => ['succeeded', 'failed'].includes(state))
      return over.length >= count && over.toReversed()
    },
    60_000,
  )
}

test('a function is called with a CloudEvent for each object that comes or goes, by prefix, suffix and event', async () => {
  await deploy('watch', 'exports.handler = async (event) => event')
  await put('in/early.jpg', 'before there was a trigger')
  const made = await platform.json('POST', path('watch'), {
    ...{ bucket: 'inbox', prefix: 'in/', suffix: '.jpg' },
    events: ['object.created', 'object.removed'],
  })
  assert.deepEqual((await platform.json('GET', path('watch'))).triggers, [made])
  const { etag } = await put('in/cat.jpg', 'a cat')
  await put('out/cat.jpg', 'elsewhere')
  await put('in/cat.png', 'another type')
  await remove('in/cat.jpg')
  await put('in/last.jpg', 'the last one')
  const found = await calls('watch', 3)
  assert.deepEqual(
    found.map(({ trigger, state }) => [trigger, state]),
    Array(3).fill(['storage', 'succeeded']),
  )
  const results: Answer[] = found.map(({ result }) => result)
  results.sort((one, other) => one.time.localeCompare(other.time))
  assert.deepEqual(
    results.map(({ type, subject }) => [type, subject]),
    [
      ['warren.object.created', 'in/cat.jpg'],
      ['warren.object.removed', 'in/cat.jpg'],
      ['warren.object.created', 'in/last.jpg'],
    ],
  )
  const { id, time, ...event } = results[0]
  assert.match(id, /^\d+-\d+$/)
  assert.ok(Date.parse(time) > 0)
  assert.deepEqual(event, {
    ...{ specversion: '1.0', source: '/buckets/inbox', type: 'warren.object.created', subject: 'in/cat.jpg' },
    datacontenttype: 'application/json',
    data: { bucket: 'inbox', key: 'in/cat.jpg', sizeBytes: 5, etag, contentType: 'text/plain;charset=UTF-8' },
  })
  assert.equal((await platform.call('DELETE', `${path('watch')}/${made.id}`)).status, 204)
  assert.equal((await platform.call('DELETE', `${path('watch')}/${made.id}`)).status, 404)
  assert.deepEqual((await platform.json('GET', path('watch'))).triggers, [])
})

test('what is no bucket, no event or no function is refused', async () => {
  const asked = (body: object, name = 'watch') => platform.call('POST', path(name), body)
  assert.equal((await asked({ bucket: 'none' })).status, 404)
  assert.equal((await asked({ bucket: 'inbox' }, 'none')).status, 404)
  for (const body of [
    {},
    { bucket: 'inbox', events: [] },
    { bucket: 'inbox', events: ['object.read'] },
    { bucket: 'inbox', x: 1 },
  ])
    assert.equal((await asked(body)).status, 400, JSON.stringify(body))
  const narrow = await platform.json('POST', '/v1/keys', { name: 'functions alone', scopes: ['functions:write'] })
  const refused = await platform.call(
    'POST',
    path('watch'),
    { bucket: 'inbox' },
    { headers: { 'x-api-key': narrow.key } },
  )
  assert.equal(refused.status, 403)
})

test('a call that fails is made again with the same event, and each object has its call after kill -9', async () => {
  await deploy(
    'sturdy',
    `exports.handler = async (event, context) => {
      if (context.attempt < 2) throw new Error('not yet')
      return [event.id, event.subject, context.attempt]
    }`,
    { retries: 5, retrySeconds: 0.05, concurrency: 10 },
  )
  await platform.json('POST', path('sturdy'), { bucket: 'inbox', prefix: 'many/' })
  const keys = Array.from({ length: 30 }, (_, at) => `many/${at}`)
  await Promise.all(keys.map((key) => put(key, key)))
  await platform.kill('SIGKILL')
  await platform.start()
  const found = await calls('sturdy', keys.length)
  assert.deepEqual(found.map(({ result }) => result[1]).sort(), [...keys].sort())
  assert.equal(new Set(found.map(({ result }) => result[0])).size, keys.length, 'each event has an id of its own')
  assert.ok(found.every(({ result, attempt }) => result[2] >= 2 && attempt === result[2]))
})

test('a trigger goes with its function, and with its bucket', async () => {
  await platform.json('POST', '/v1/buckets', { name: 'short' })
  await platform.json('POST', path('watch'), { bucket: 'short' })
  assert.equal((await platform.call('DELETE', '/v1/buckets/short')).status, 204)
  assert.deepEqual((await platform.json('GET', path('watch'))).triggers, [])
  await platform.json('POST', path('watch'), { bucket: 'inbox' })
  assert.equal((await platform.call('DELETE', '/v1/functions/watch')).status, 204)
  assert.equal((await platform.call('GET', path('watch'))).status, 404)
  await put('after', 'nobody is called')
})
