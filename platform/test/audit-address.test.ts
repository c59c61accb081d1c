import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_TRUSTED_PROXIES: '127.0.0.0/8,::1' })
const sandbox = await platform.sandbox()
const id = sandbox.split('/').at(-1)!

test('behind a proxy that is trusted the log says where the client is, at every door', async () => {
  const headers = { 'x-forwarded-for': '10.9.8.7, 198.51.100.7' }
  await platform.call('POST', '/v1/secrets', { name: 'A', value: 'v' }, { headers })
  await platform.call('PUT', `${sandbox}/files?path=/tmp/a`, 'x', { headers })
  assert.equal((await platform.call('GET', `/sandboxes/${id}`, undefined, { headers })).status, 200)
  await platform.call('POST', `/sandboxes/${id}/timeout`, { timeout: 600 }, { headers })
  const { envdAccessToken } = await platform.json('GET', `/sandboxes/${id}`)
  const inside = { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '49983', 'x-access-token': envdAccessToken, ...headers }
  assert.equal((await platform.fetch('/files?path=/tmp/a', { headers: inside })).status, 200)
  const terminal = new WebSocket(`${platform.url.replace('http', 'ws')}${sandbox}/terminal?command=true`, {
    headers: { ...headers, 'x-api-key': platform.key },
  })
  await new Promise((resolve) => terminal.on('close', resolve))
  await mcp('sandbox_kill', { sandbox: id }, headers)
  const wanted = ['secret.create', 'file.write', 'sandbox.set_timeout', 'file.read', 'terminal.open', 'sandbox.remove']
  const entries = await until('all are told', async () => {
    const told: Answer = (await platform.json('GET', '/v1/audit?limit=1000')).entries.filter(({ action }: Answer) =>
      wanted.includes(action),
    )
    return new Set(told.map(({ action }: Answer) => action)).size === wanted.length && told
  })
  for (const { action, address } of entries) assert.equal(address, '198.51.100.7', action)
})

test('whoever guesses passwords behind a proxy uses up their own attempts, not those of others', async () => {
  const { link } = await platform.json('POST', '/v1/orgs/org0/invitations', {
    email: 'one@example.com',
    role: 'viewer',
  })
  const token = link.split('#')[1]!
  const post = (path: string, body: object, from: string) =>
    platform.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
      body: JSON.stringify(body),
    })
  const password = 'a rather good password'
  assert.equal((await post('/v1/auth/join', { token, name: 'One', password }, '203.0.113.5')).status, 200)
  // So many wrong ones from one address that it is refused, each under another name.
  const guess = (from: string, at: number) =>
    post('/v1/auth/login', { email: `nobody${at}@example.com`, password: 'wrong' }, from)
  const tries = await Promise.all(Array.from({ length: 110 }, (_, at) => guess('203.0.113.66', at)))
  assert.ok(tries.some(({ status }) => status === 429))
  // A subscriber of IPv6 has 2^64 addresses, and no more tries for that.
  const ofMany = await Promise.all(
    Array.from({ length: 110 }, (_, at) => guess(`2001:db8:7:7::${at.toString(16)}`, 200 + at)),
  )
  assert.ok(ofMany.some(({ status }) => status === 429))
  assert.equal((await guess('2001:db8:7:8::1', 400)).status, 401, 'the next one has their own')
  const login = await post('/v1/auth/login', { email: 'one@example.com', password }, '203.0.113.5')
  assert.equal(login.status, 200)
  const { accessToken } = await login.json()
  const { sessions } = await (
    await platform.fetch('/v1/auth/sessions', { headers: { authorization: `Bearer ${accessToken}` } })
  ).json()
  assert.deepEqual([...new Set(sessions.map(({ address }: Answer) => address))], ['203.0.113.5'])
  const entries = await until('it is told', async () => {
    const found = (await platform.json('GET', '/v1/audit?action=user.login')).entries
    return found.length > 0 && found
  })
  assert.equal(entries[0].address, '203.0.113.5')
})

async function mcp(name: string, input: object, headers: Record<string, string>): Promise<void> {
  const answer = await platform.call(
    'POST',
    '/mcp',
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: input } },
    { headers: { ...headers, accept: 'application/json, text/event-stream' } },
  )
  assert.equal(answer.status, 200)
  await answer.text()
}
