import assert from 'node:assert/strict'
import net from 'node:net'
import { after, test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'
import { receive } from './webhook-receiver.ts'

const platform = await startPlatform({
  WARREN_WEBHOOK_OPEN: '127.0.0.0/8',
  WARREN_POOL_SIZE: '0',
  WARREN_RATE_ORGANISATION: '100000',
})

/** More than there are connections for, where each has as many as it may. */
const hanging = 40

test('while all addresses of one organisation hang, another one is told what it wants', async () => {
  const held = await neverAnswering()
  for (let at = 0; at < hanging; at++) await webhook(platform.key, `${held.url}/${at}`)
  const quick = await receive()
  const other = await ownerOfAnother()
  await webhook(other, quick.url)

  for (let at = 0; at < 4; at++) await volume(platform.key, `held-${at}`)
  await until('half of the connections hang', () => held.open() >= 64, 30_000)
  const ended: number[] = []
  for (const name of ['one', 'two', 'three']) {
    const before = held.closed()
    await volume(other, name)
    await until(`${name} has arrived`, () => quick.got.some(({ body }) => body.data.name === name), 60_000)
    ended.push(held.closed() - before)
  }
  assert.ok(ended.includes(0), `no connection has to end for it, and there ended: ${ended}`)
})

test('what waits for webhooks that are disabled keeps nobody waiting', async () => {
  const gone = await receive(() => (isGone ? 410 : undefined))
  let isGone = false
  const other = await ownerOfAnother('gone@example.com')
  const ids: string[] = []
  for (let at = 0; at < 40; at++) ids.push(await webhook(other, `${gone.url}/${at}`))
  for (let at = 0; at < 8; at++) await volume(other, `gone-${at}`)
  await until('as many as may be are asked', () => gone.got.length >= 8, 30_000)
  isGone = true
  // Whoever is asked from now on is gone, and has more that waits.
  await until(
    'they are disabled',
    async () => {
      await Promise.all(ids.map((id) => ask(other, 'POST', `/v1/webhooks/${id}/test`, {})))
      const { webhooks } = await ask(other, 'GET', '/v1/webhooks')
      return webhooks.every(({ state }: Answer) => state === 'disabled')
    },
    90_000,
  )
  const quick = await receive()
  await webhook(other, quick.url)
  await volume(other, 'last')
  await until('it has arrived', () => quick.got.some(({ body }) => body.data.name === 'last'), 60_000)
})

async function ask(key: string, method: string, path: string, body?: object): Promise<Answer> {
  const answer = await platform.fetch(path, {
    method,
    headers: { 'x-api-key': key, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return answer.json()
}

async function webhook(key: string, url: string): Promise<string> {
  const { id } = await ask(key, 'POST', '/v1/webhooks', { url, events: ['volume.created'] })
  assert.ok(id)
  return id
}

async function volume(key: string, name: string): Promise<void> {
  assert.ok((await ask(key, 'POST', '/v1/volumes', { name, sizeMb: 16 })).id)
}

/** A key of an organisation of their own. */
async function ownerOfAnother(email = 'other@example.com'): Promise<string> {
  const { id } = await platform.json('POST', '/v1/orgs', { name: email.split('@')[0]! })
  const { link } = await platform.json('POST', `/v1/orgs/${id}/invitations`, { email, role: 'owner' })
  const joined = { token: link.split('#')[1], password: 'four words nobody guesses' }
  const { accessToken } = await platform.json('POST', '/v1/auth/join', joined)
  const answer = await platform.fetch('/v1/keys', {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'other', role: 'owner' }),
  })
  return (await answer.json()).key
}

/** Takes what it is sent and says nothing. */
async function neverAnswering(): Promise<{ url: string; open: () => number; closed: () => number }> {
  const sockets = new Set<net.Socket>()
  let closed = 0
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).resume()
    socket.on('close', () => {
      sockets.delete(socket)
      closed++
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as net.AddressInfo
  return { url: `http://127.0.0.1:${port}`, open: () => sockets.size, closed: () => closed }
}
