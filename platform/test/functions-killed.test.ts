import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { addresses, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { startNetworked } from './network/networked.ts'
import { type Answer, type Platform, until } from './platform.ts'

const lacks = await fakeInternetLacks()
const calls = 1000

/** What a call counts at: a server of its own process, outside of the platform. */
const handler = `exports.handler = async ({ n }, { requestId, attempt }) => {
  const reply = await fetch('http://${addresses.allowed}/count/' + n + '/' + requestId + '/' + attempt)
  if (!reply.ok) throw new Error('not counted')
  return (await reply.text()).length
}`

test('killed with -9 during 1,000 asynchronous calls: none is lost, each key is one call, and only what ran is made again', {
  skip: lacks ?? false,
  timeout: 600_000,
}, async (t) => {
  const internet = await openFakeInternet()
  after(() => internet.close())
  const platform: Platform = await startNetworked(internet, { WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '2' })
  await platform.json('PUT', '/v1/functions/counts', {
    ...{ runtime: 'node24', files: { 'index.js': Buffer.from(handler).toString('base64') } },
    settings: { internet: true, concurrency: 20, maxInstances: 4, retries: 5, retrySeconds: 0.2 },
  })
  /** Every request that the counter got: which call it was for, as which attempt. */
  const counted = () =>
    internet.events.flatMap(({ kind, text }) => {
      const [, n, id, attempt] = /^GET \/count\/(\d+)\/(\w+)\/(\d+) /.exec(text ?? '') ?? []
      return kind === 'tcp' && id !== undefined ? { n: Number(n), id, attempt: Number(attempt) } : []
    })
  const enqueue = async (n: number): Promise<string | undefined> => {
    const headers = { 'idempotency-key': `call-${n}`, 'content-type': 'application/json' }
    const reply = await platform
      .call('POST', '/v1/functions/counts/invocations', JSON.stringify({ n }), { headers })
      .catch(() => undefined)
    return reply?.status === 202 ? (await reply.json().catch(() => ({}))).id : undefined
  }
  const acknowledged = new Map<number, string>()
  const enqueueMissing = async () => {
    const missing = Array.from({ length: calls }, (_, n) => n).filter((n) => !acknowledged.has(n))
    for (let at = 0; at < missing.length; at += 50)
      await Promise.all(
        missing.slice(at, at + 50).map(async (n) => {
          const id = await enqueue(n)
          if (id !== undefined) acknowledged.set(n, id)
        }),
      )
  }
  const kills: number[] = []
  const killAt = async (count: number) => {
    await until('so many were counted', () => counted().length >= count, 120_000)
    await platform.kill('SIGKILL')
    kills.push(counted().length)
  }

  // While they come in, and again while they are made.
  const coming = enqueueMissing()
  await killAt(100)
  await coming
  await platform.start()
  await Promise.all([enqueueMissing(), killAt(500)])
  await platform.start()
  await enqueueMissing()
  const repeated = await enqueue(3)
  assert.deepEqual([acknowledged.size, repeated], [calls, acknowledged.get(3)])

  const countOf = async (state: string) =>
    (await platform.json('GET', `/v1/functions/counts/invocations?limit=1000&state=${state}`)).invocations as Answer[]
  const succeeded = await until(
    'all are made',
    async () => {
      const found = await countOf('succeeded')
      return found.length >= calls ? found : undefined
    },
    300_000,
  )
  const others = await Promise.all(['waiting', 'running', 'failed'].map(countOf))
  assert.deepEqual(
    others.map(({ length }) => length),
    [0, 0, 0],
  )
  assert.deepEqual(new Set(succeeded.map(({ id }) => id)), new Set(acknowledged.values()))

  const seen = counted()
  const ids = Map.groupBy(seen, ({ n }) => n)
  assert.equal(ids.size, calls, 'the counter heard of each')
  for (const [n, some] of ids) {
    assert.deepEqual([...new Set(some.map(({ id }) => id))], [acknowledged.get(n)], `key ${n} is one call`)
    assert.equal(new Set(some.map(({ attempt }) => attempt)).size, some.length, `no attempt of ${n} was made twice`)
  }
  const twice = [...ids.values()].filter(({ length }) => length > 1).length
  assert.ok(twice <= 2 * 4 * 20, `${twice} were counted twice, more than ran when it was killed`)
  t.diagnostic(`${twice} of ${calls} ran when it was killed and were made again; killed after ${kills.join(' and ')}`)
})
