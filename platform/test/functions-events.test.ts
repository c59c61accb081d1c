import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })
const deploy = (name: string, source: string, settings: object = {}) =>
  platform.json('PUT', `/v1/functions/${name}`, {
    runtime: 'node24',
    files: { 'index.js': Buffer.from(source).toString('base64') },
    settings,
  })
const path = (name: string) => `/v1/functions/${name}/event-triggers`
const makeBucket = (name: string) => platform.json('POST', '/v1/buckets', { name })

/** What calls of a function came to, by the times of their events, once there are so many. */
async function calls(name: string, count: number): Promise<Answer[]> {
  let seen: Answer[] = []
  const found = until(
    `${name} was called ${count} times`,
    async () => {
      seen = (await platform.json('GET', `/v1/functions/${name}/invocations?limit=100`)).invocations
      const over = seen.filter(({ state }: Answer) => ['succeeded', 'failed'].includes(state))
      return over.length >= count ? over : undefined
    },
    60_000,
  )
  return found.catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(seen)}\n${platform.log().slice(-3000)}`)
  })
}

test('a function is called with a CloudEvent for each event of its organisation that it wants, and for no other', async () => {
  await deploy('watch', 'exports.handler = async (event) => event')
  await makeBucket('early')
  const made = await platform.json('POST', path('watch'), { events: ['bucket.*', 'function.deployed'] })
  assert.deepEqual((await platform.json('GET', path('watch'))).triggers, [made])
  const { id } = await makeBucket('one')
  await platform.json('PUT', '/v1/buckets/one/objects/key', 'an object is no bucket')
  // Another organisation's bucket is nobody's business here.
  const org = (await platform.json('POST', '/v1/orgs', { name: 'other' })).id
  const other = { headers: { 'warren-organisation': org, 'content-type': 'application/json' } }
  assert.equal((await platform.call('POST', '/v1/buckets', '{"name":"theirs"}', other)).status, 201)
  // What happens to the function itself is nothing it is called for.
  await deploy('watch', 'exports.handler = async (event) => ({ ...event })')
  await deploy('another', 'exports.handler = async () => 1')
  assert.equal((await platform.call('DELETE', '/v1/buckets/early')).status, 204)
  const found = await calls('watch', 3)
  assert.deepEqual(
    found.map(({ trigger, state }) => [trigger, state]),
    Array(3).fill(['event', 'succeeded']),
  )
  const results: Answer[] = found.map(({ result }) => result)
  results.sort((one, two) => one.time.localeCompare(two.time))
  assert.deepEqual(
    results.map(({ type, data }) => [type, data.bucket ?? data.name]),
    [
      ['warren.bucket.created', 'one'],
      ['warren.function.deployed', 'another'],
      ['warren.bucket.deleted', 'early'],
    ],
  )
  const { id: eventId, time, ...event } = results[0]
  assert.match(eventId, /^\d+-\d+$/)
  assert.ok(Date.parse(time) > 0)
  assert.deepEqual(event, {
    ...{ specversion: '1.0', source: '/events', type: 'warren.bucket.created', subject: id },
    ...{ datacontenttype: 'application/json', data: { bucket: 'one' } },
  })
  assert.equal((await platform.call('DELETE', `${path('watch')}/${made.id}`)).status, 204)
  assert.equal((await platform.call('DELETE', `${path('watch')}/${made.id}`)).status, 404)
})

test('only events about the subject, where one is named', async () => {
  await deploy('about', 'exports.handler = async (event) => event.subject')
  const { id } = await makeBucket('subject')
  await platform.json('POST', path('about'), { events: ['*'], subject: id })
  await makeBucket('no-subject')
  await platform.json('PUT', '/v1/buckets/subject/objects/key', 'content')
  assert.equal((await platform.call('DELETE', '/v1/buckets/no-subject')).status, 204)
  await platform.call('DELETE', '/v1/buckets/subject/objects/key')
  assert.deepEqual(
    (await calls('about', 2)).map(({ result }) => result),
    [id, id],
  )
})

test('what is no event or no function, and who may not see events, is refused', async () => {
  const asked = (body: object, name = 'watch', headers: Record<string, string> = {}) =>
    platform.call('POST', path(name), body, { headers })
  assert.equal((await asked({ events: ['*'] }, 'none')).status, 404)
  for (const body of [{}, { events: [] }, { events: ['Sandbox'] }, { events: ['sandbox.*'], x: 1 }])
    assert.equal((await asked(body)).status, 400, JSON.stringify(body))
  const unknown = await asked({ events: ['sandbox.created', 'sandbox.exploded'] })
  assert.equal(unknown.status, 400)
  assert.match((await unknown.json()).message, /sandbox\.exploded/)
  const narrow = await platform.json('POST', '/v1/keys', { name: 'functions alone', scopes: ['functions:write'] })
  assert.equal((await asked({ events: ['*'] }, 'watch', { 'x-api-key': narrow.key })).status, 403)
})

test('a call that fails is made again with the same event, goes to the dead letters at last, and none is lost by kill -9', async () => {
  await platform.json('PUT', '/v1/queues/dead', {})
  await deploy(
    'sturdy',
    `exports.handler = async (event, context) => {
      if (event.data.bucket.startsWith('bad') || context.attempt < 2) throw new Error('not yet')
      return [event.id, event.data.bucket]
    }`,
    { retries: 2, retrySeconds: 0.05, concurrency: 10, onFailure: { queue: 'dead' } },
  )
  await platform.json('POST', path('sturdy'), { events: ['bucket.created'] })
  const names = Array.from({ length: 20 }, (_, at) => `good-${at}`)
  await Promise.all([...names, 'bad-one'].map(makeBucket))
  await platform.kill('SIGKILL')
  await platform.start()
  const found = await calls('sturdy', 21)
  const good = found.filter(({ state }) => state === 'succeeded').map(({ result }) => result)
  assert.deepEqual(good.map(([, bucket]) => bucket).sort(), [...names].sort())
  assert.equal(new Set(good.map(([id]) => id)).size, names.length)
  const { messages } = await platform.json('POST', '/v1/queues/dead/receive', {})
  assert.equal(messages.length, 1)
  assert.equal(messages[0].body.payload.data.bucket, 'bad-one')
})
