import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Reply, startPlatform, until } from './platform.ts'

const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_RATE_ATTEMPTS: '5',
  WARREN_TRUSTED_PROXIES: '127.0.0.0/8,::1',
})
const sandbox = await platform.json('POST', '/sandboxes', {
  templateID: 'base',
  timeout: 3600,
  secure: true,
  network: { allowPublicTraffic: false },
})
const id: string = sandbox.sandboxID
await platform.json('POST', '/v1/buckets', { name: 'guessed' })
await platform.call('PUT', '/v1/buckets/guessed/objects/secret', 'content')
const { url: signed } = await platform.json('POST', '/v1/buckets/guessed/sign', { method: 'GET', key: 'secret' })
const volume = await platform.json('POST', '/volumes', { name: 'guessed' })

const inside = (port: number) => ({ 'e2b-sandbox-id': id, 'e2b-sandbox-port': String(port) })
const wrongKey = `e2b_${'0'.repeat(40)}`
/** Each door, by what it is tried with that is wrong. */
const doors: Record<string, () => [string, RequestInit]> = {
  figures: () => ['/metrics', { headers: { 'x-api-key': wrongKey } }],
  REST: () => ['/v1/sandboxes', { headers: { 'x-api-key': wrongKey } }],
  envd: () => ['/metrics', { headers: { ...inside(49_983), 'x-access-token': 'wrong' } }],
  'envd, by signature': () => ['/files?path=a&signature=v1_wrong', { headers: inside(49_983) }],
  'envd, by signature alone': () => ['/files?path=a&signature=v1_wrong', {}],
  interpreter: () => ['/contexts', { headers: { ...inside(49_999), 'x-api-key': wrongKey } }],
  'port, by token': () => ['/', { headers: { ...inside(8080), 'e2b-traffic-access-token': 'wrong' } }],
  port: () => ['/', { headers: { ...inside(8080), 'x-api-key': wrongKey } }],
  'port below /v1': () => [`/v1/sandboxes/${id}/ports/8080/`, { headers: { 'x-api-key': wrongKey } }],
  volume: () => [`/volumecontent/${volume.volumeID}/dir?path=/`, { headers: { authorization: 'Bearer wrong' } }],
  'signed object': () => [
    new URL(signed).pathname + new URL(signed).search.replace(/signature=.*/, 'signature=wrong'),
    {},
  ],
  'function URL': () => ['/f/fn0000', { headers: { 'x-api-key': wrongKey } }],
  hook: () => ['/h/h0000/wrong', { method: 'POST', body: '{}' }],
}

function assertToldWhen(reply: Reply, door: string): void {
  const header = (name: string) => reply.headers.get(name) ?? ''
  assert.match(header('retry-after'), /^[1-9]\d*$/, door)
  assert.deepEqual(
    ['policy', 'limit', 'remaining'].map((name) => header(`ratelimit-${name}`)),
    ['5;w=60', '5', '0'],
    door,
  )
  assert.match(header('ratelimit-reset'), /^[1-9]\d*$/, door)
}

test('at each door what is wrong counts as a failed attempt of its address, and too many are told when to come back', async () => {
  let host = 0
  for (const [door, request] of Object.entries(doors)) {
    const address = `198.51.100.${++host}`
    const ask = async (): Promise<Reply> => {
      const [path, init] = request()
      const reply = await platform.fetch(path, { ...init, headers: { ...init.headers, 'x-forwarded-for': address } })
      await reply.arrayBuffer()
      return reply
    }
    const first = await ask()
    assert.ok([401, 403, 404].includes(first.status), `${door}: ${first.status}`)
    assert.match(first.headers.get('x-request-id') ?? '', /^r/, door)
    let tries = 1
    const last = await until(`${door} refuses`, async () => {
      const reply = await ask()
      tries++
      return reply.status === 429 ? reply : undefined
    })
    assert.ok(tries <= 9, `${door}: ${tries}`)
    assertToldWhen(last, door)
  }
  assert.equal(
    (
      await platform.fetch('/metrics', {
        headers: { ...inside(49_983), 'x-access-token': sandbox.envdAccessToken, 'x-forwarded-for': '198.51.100.3' },
      })
    ).status,
    200,
    'what is right is let in all the same',
  )
})

test('too many failed sign-ins are told as other limits are', async () => {
  const ask = () =>
    platform.fetch('/v1/auth/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'nobody@example.com', password: 'wrong all the time' }),
    })
  const last = await until(
    'it is refused',
    async () => {
      const reply = await ask()
      return reply.status === 429 ? reply : undefined
    },
    60_000,
  )
  assert.match(last.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
  assert.deepEqual([last.headers.get('ratelimit-policy'), last.headers.get('ratelimit-remaining')], ['10;w=600', '0'])
})

test('requests for sandboxes are in the figures, under few names', async () => {
  const told = await (await platform.call('GET', '/metrics')).text()
  const count = (labels: string) =>
    Number(new RegExp(`http_request_duration_seconds_count\\{${labels}\\} (\\d+)`).exec(told)?.[1])
  assert.ok(count('method="GET",route="sandbox:envd",status="401"') >= 5)
  assert.ok(count('method="GET",route="sandbox:port",status="4xx"') >= 5)
  assert.ok(count('method="GET",route="sandbox:interpreter",status="\\d+"') >= 1)
  assert.ok(count('method="GET",route="/metrics",status="401"') >= 5)
})
