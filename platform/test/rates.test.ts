import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { type Answer, type Reply, startPlatform, until } from './platform.ts'
import { noRedis, startRedis } from './redis-server.ts'

const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_RATE_KEY: '6',
  WARREN_RATE_ORGANISATION: '0',
  WARREN_RATE_SANDBOX: '4',
  WARREN_RATE_ATTEMPTS: '5',
  WARREN_TRUSTED_PROXIES: '127.0.0.0/8,::1',
})
/** They are made once, since to make one is a request too. */
const keys: string[] = await Promise.all(
  Array.from({ length: 4 }, async () => (await platform.json('POST', '/api-keys', { name: 'one of a test' })).key),
)

const from = (address: string, key = 'wrong') => ({ 'x-api-key': key, 'x-forwarded-for': address })
const rates = ({ headers }: Reply) =>
  ['limit', 'remaining', 'reset', 'policy'].map((name) => headers.get(`ratelimit-${name}`))

async function until429(ask: () => Promise<Reply>): Promise<{ before: number; reply: Reply; body: Answer }> {
  for (let before = 0; before < 50; before++) {
    const reply = await ask()
    const text = await reply.text()
    if (reply.status === 429) return { before, reply, body: JSON.parse(text) }
  }
  throw new Error('it is never refused')
}

/** Tokens come back while a slow machine asks; half a minute's worth of them at the most. */
function isAbout(before: number, perMinute: number): void {
  assert.ok(before >= perMinute && before <= perMinute * 1.5, String(before))
}

function isRefusedInTime({ headers }: Reply): void {
  const seconds = headers.get('retry-after') ?? ''
  assert.match(seconds, /^[1-9]\d*$/)
  assert.ok(Number(seconds) <= 60, seconds)
}

test('a key has so many requests a minute, is told how many are left, and when to come back', async () => {
  const ask = () => platform.fetch('/v1/runtimes', { headers: { 'x-api-key': keys[0]! } })
  const first = await ask()
  assert.equal(first.status, 200)
  assert.deepEqual(rates(first), ['6', '5', '10', '6;w=60'])
  const { before, reply, body } = await until429(ask)
  isAbout(before, 5)
  assert.deepEqual([body.code, body.requestId], ['limit_exceeded', reply.headers.get('x-request-id')])
  assert.match(body.message, /more than 6 requests a minute for this key/)
  assert.equal(reply.headers.get('retry-after'), String(body.details.retryAfterSeconds))
  assert.deepEqual(rates(reply).slice(0, 2), ['6', '0'])
  isRefusedInTime(reply)
})

test('a person has one count, whichever access token it shows: a refresh is no new one', async () => {
  const post = async (path: string, body: object, address: string): Promise<Answer> => {
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': address }
    const answer = await platform.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.equal(answer.status, 200)
    return answer.json() as Promise<Answer>
  }
  const invited = { email: 'ann@example.com', role: 'viewer' }
  const { link } = await platform.json('POST', '/v1/orgs/org0/invitations', invited)
  const person = { token: link.split('#')[1], password: 'four words nobody guesses', name: 'Ann' }
  const { accessToken, ...first } = await post('/v1/auth/join', person, '203.0.113.50')
  let { refreshToken } = first
  const ask = (token: string) => platform.fetch('/v1/runtimes', { headers: { authorization: `Bearer ${token}` } })
  isAbout((await until429(() => ask(accessToken))).before, 6)
  // In the same second it is the same token.
  let host = 50
  const other = await until('another token', async () => {
    const refreshed = await post('/v1/auth/refresh', { refreshToken }, `203.0.113.${++host}`)
    refreshToken = refreshed.refreshToken
    return refreshed.accessToken === accessToken ? undefined : (refreshed.accessToken as string)
  })
  const [limit, remaining] = rates(await ask(other))
  // What came back while a slow machine asked, and not a whole minute's worth.
  assert.ok(limit === '6' && Number(remaining) <= 2, `${remaining} of ${limit} remain`)
})

test('it is one count for all doors: E2B, terminals and ports refuse the key as well', async () => {
  const headers = { 'x-api-key': keys[1]! }
  await until429(() => platform.fetch('/v1/runtimes', { headers }))
  const e2b = await platform.fetch('/sandboxes', { headers })
  assert.deepEqual([e2b.status, (await e2b.json()).code], [429, 429])
  isRefusedInTime(e2b)
  const port = await platform.fetch('/v1/sandboxes/s00000000000000000000/ports/80/', { headers })
  assert.equal(port.status, 429)
  isRefusedInTime(port)
  const terminal = await raw(
    'GET /v1/sandboxes/s1/terminal HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n' +
      `sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nx-api-key: ${keys[1]}\r\n\r\n`,
  )
  assert.match(terminal, /^HTTP\/1\.1 429 Too Many Requests\r\n/)
  assert.match(terminal, /\r\nretry-after: [1-9]\d*\r\n/)
})

test('the inside and the ports of a sandbox have a rate of their own, whoever asks', async () => {
  for (const port of [8080, 49_983, 49_999]) {
    const id = `s${String(port).padStart(20, '0')}`
    const { before, reply } = await until429(() =>
      platform.fetch('/nothing', { headers: { 'e2b-sandbox-id': id, 'e2b-sandbox-port': String(port) } }),
    )
    isAbout(before, 4)
    isRefusedInTime(reply)
  }
})

test('who guesses keys is stopped by address, while keys that were good go on', async () => {
  await platform.fetch('/v1/runtimes', { headers: from('203.0.113.1', keys[2]) })
  const { before, reply, body } = await until429(() =>
    platform.fetch('/v1/runtimes', { headers: from('203.0.113.1', `e2b_${Math.random()}`) }),
  )
  isAbout(before, 5)
  assert.match(body.message, /more than 5 requests a minute without a good key/)
  isRefusedInTime(reply)
  assert.equal((await platform.fetch('/v1/runtimes', { headers: from('203.0.113.1', keys[2]) })).status, 200)
  assert.equal((await platform.fetch('/v1/runtimes', { headers: from('203.0.113.2') })).status, 401)
})

test('a subscriber of IPv6 is one, whatever the last 64 bits; what a client wrote before its proxy does not count', async () => {
  let host = 0
  const one = await until429(() => platform.fetch('/v1/runtimes', { headers: from(`2001:db8::${++host}`) }))
  isAbout(one.before, 5)
  const other = await until429(() =>
    platform.fetch('/v1/runtimes', { headers: from(`10.0.0.${++host}, 198.51.100.7`) }),
  )
  isAbout(other.before, 5)
})

test('X-Forwarded-For says nothing where no proxy is trusted', async () => {
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_TRUSTED_PROXIES: '' })
  let host = 0
  const { before } = await until429(() => platform.fetch('/v1/runtimes', { headers: from(`203.0.113.${++host}`) }))
  isAbout(before, 5)
})

test('all keys of an organisation together have a rate too; 0 turns a limit off', async () => {
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_RATE_ORGANISATION: '8', WARREN_RATE_KEY: '0' })
  const asks = keys.map((key) => () => platform.fetch('/v1/runtimes', { headers: { 'x-api-key': key } }))
  let turn = 0
  const { before, body, reply } = await until429(() => asks[turn++ % asks.length]!())
  isAbout(before, 8)
  assert.equal(reply.headers.get('ratelimit-policy'), '8;w=60')
  assert.match(body.message, /for this organisation/)
})

test('two platforms with one Redis count together; without it they serve on', { skip: noRedis ?? false }, async () => {
  await using redis = await startRedis()
  const env = { WARREN_RATE_KEY: '10', WARREN_RATE_ORGANISATION: '8', REDIS_URL: redis.url }
  await platform.kill('SIGTERM')
  await platform.start(env)
  const other = await startPlatform({ WARREN_POOL_SIZE: '0', ...env })
  let turn = 0
  const both = [platform, other]
  const ask = () => both[turn++ % 2]!.call('GET', '/v1/runtimes')
  isAbout((await until429(ask)).before, 8) // each has a key of its own, their organisation is one
  await redis.kill('SIGKILL')
  assert.equal((await ask()).status, 200)
  assert.equal((await ask()).status, 200)
})

function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = net.connect(platform.port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}
