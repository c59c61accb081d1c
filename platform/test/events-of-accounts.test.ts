import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_WEBHOOK_OPEN: '127.0.0.0/8', WARREN_POOL_SIZE: '0' })

/** The so many events about one thing, oldest first. They can be read when no older transaction is open any more. */
function toldOf(subject: string, count: number): Promise<[string, Answer][]> {
  return until(`${count} events of ${subject}`, async () => {
    const { events } = await platform.json('GET', `/v1/events?subject=${subject}&limit=100`)
    return events.length >= count ? events.map(({ type, data }: Answer) => [type, data]) : undefined
  })
}

const make = (body: object) => platform.json('POST', '/v1/keys', { name: 'made', ...body })

test('keys tell when they are made and revoked, also by E2B’s addresses and with their service account; never what they are', async () => {
  const { id, key } = await make({ role: 'viewer' })
  await platform.call('DELETE', `/v1/keys/${id}`)
  assert.equal((await platform.call('DELETE', `/v1/keys/${id}`)).status, 404, 'tells nothing')
  const data = { kind: 'key', name: 'made', role: 'viewer' }
  assert.deepEqual(await toldOf(id, 2), [
    ['key.created', data],
    ['key.revoked', data],
  ])
  const ofE2b = await platform.json('POST', '/api-keys', { name: 'of E2B' })
  await platform.call('DELETE', `/api-keys/${ofE2b.id}`)
  assert.deepEqual(
    (await toldOf(ofE2b.id, 2)).map(([type, { name }]) => [type, name]),
    [
      ['key.created', 'of E2B'],
      ['key.revoked', 'of E2B'],
    ],
  )
  const service = await platform.json('POST', '/v1/service-accounts', { name: 'ci', role: 'viewer' })
  const robots = [await make({ serviceAccount: 'ci' }), await make({ serviceAccount: 'ci' })]
  await platform.json('DELETE', '/v1/service-accounts/ci')
  for (const robot of robots) {
    const [created, revoked] = await toldOf(robot.id, 2)
    assert.deepEqual(
      [created![0], revoked![0], revoked![1].serviceAccountId],
      ['key.created', 'key.revoked', service.id],
    )
  }
  const all = await (await platform.call('GET', '/v1/events?limit=1000')).text()
  assert.ok(!all.includes(key) && !all.includes(robots[0]!.key))
})

test('members tell when they join, get another role and leave', async () => {
  const { link } = await platform.json('POST', '/v1/orgs/org0/invitations', {
    email: 'a@example.com',
    role: 'developer',
  })
  await platform.json('POST', '/v1/auth/join', {
    token: link.split('#')[1],
    password: 'four words nobody guesses',
    name: 'Ann',
  })
  const { userId } = (await platform.json('GET', '/v1/orgs/org0/members')).members.at(-1)
  const path = `/v1/orgs/org0/members/${userId}`
  for (const role of ['viewer', 'viewer'])
    assert.equal((await platform.call('PATCH', path, { role })).status, 204, 'the second changes nothing')
  assert.equal((await platform.call('DELETE', path)).status, 204)
  assert.deepEqual(await toldOf(userId, 3), [
    ['member.added', { role: 'developer' }],
    ['member.changed', { role: 'viewer', before: 'developer' }],
    ['member.removed', { role: 'viewer' }],
  ])
})

test('webhooks tell when they are made, get another secret, are disabled by their receiver and removed; not where they lead', async () => {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(410).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/letsYouIn`
  const { id } = await platform.json('POST', '/v1/webhooks', { url, events: ['volume.*'] })
  await platform.json('POST', `/v1/webhooks/${id}/rotate`, {})
  await platform.json('POST', '/v1/volumes', { name: 'told', sizeMb: 16 })
  await until('it is disabled', async () => (await toldOf(id, 3)).some(([type]) => type === 'webhook.disabled'))
  await platform.call('DELETE', `/v1/webhooks/${id}`)
  assert.deepEqual(await toldOf(id, 4), [
    ['webhook.created', { events: ['volume.*'] }],
    ['webhook.rotated', { version: 2 }],
    ['webhook.disabled', {}],
    ['webhook.deleted', {}],
  ])
})

test('each role hears of what it may see', async () => {
  const heard = async (role: string) => {
    const { key } = await make({ role })
    const reply = await platform.fetch('/v1/events?limit=1000', { headers: { 'x-api-key': key } })
    const nouns = (await reply.json()).events.map(({ type }: Answer) => type.split('.')[0])
    return ['key', 'member', 'webhook'].filter((noun) => nouns.includes(noun))
  }
  assert.deepEqual(await heard('owner'), ['key', 'member', 'webhook'])
  assert.deepEqual(await heard('admin'), ['key', 'member', 'webhook'])
  assert.deepEqual(await heard('developer'), ['member', 'webhook'])
  assert.deepEqual(await heard('viewer'), ['member'])
  assert.deepEqual(await heard('billing'), ['member'])
})
