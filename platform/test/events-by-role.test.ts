import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { type Answer, keyed, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_WEBHOOK_OPEN: '127.0.0.0/8', WARREN_POOL_SIZE: '0' })

const seenBy = {
  owner: ['invoice', 'key', 'quota', 'secret', 'volume'],
  admin: ['invoice', 'key', 'quota', 'secret', 'volume'],
  developer: ['quota', 'secret', 'volume'],
  billing: ['invoice', 'quota'],
  viewer: ['quota', 'volume'],
}

test('in the feed everybody sees the events of what they may see, read or followed', async () => {
  await somethingOfEach('first')
  for (const [role, nouns] of Object.entries(seenBy)) {
    const key = await keyOf(role)
    assert.deepEqual(await nounsRead(key), nouns, role)
    assert.deepEqual(await nounsFollowed(key), nouns, `${role}, followed`)
  }
  assert.deepEqual(await nounsRead(await keyOf('viewer', ['volumes:read'])), ['volume'])
  assert.deepEqual(await nounsRead(await keyOf('viewer', ['sandboxes:read'])), [])
  const none = await platform.fetch('/v1/events', { headers: { 'x-api-key': await keyOf('owner', ['org:manage']) } })
  assert.equal(none.status, 403)
})

test('a webhook tells what its maker may see, and less when they may see less', async () => {
  const hook = await receive()
  const post = async (key: string, path: string, events?: string[]) =>
    platform.fetch('/v1/webhooks', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ url: hook.url + path, ...(events ? { events } : {}) }),
    })
  const developer = await keyOf('developer')
  const refused = await post(developer, '/refused', ['volume.*', 'invoice.*', 'payment.failed'])
  assert.equal(refused.status, 403)
  assert.match((await refused.json()).message, /may not see: invoice, payment/)
  const { key: admin, id: adminId } = await platform.json('POST', '/v1/keys', { name: 'soon gone', role: 'admin' })
  for (const [key, path, events] of [
    [developer, '/developer', undefined],
    [developer, '/all', ['*']],
    [await keyOf('developer', ['webhooks:manage', 'volumes:read']), '/narrow', undefined],
    [admin, '/admin', ['invoice.*', 'volume.*']],
    [platform.key, '/operator', undefined],
  ] as const)
    assert.equal((await post(key, path, events && [...events])).status, 201, path)
  const nounsAt = (path: string) =>
    nounsOf(hook.got.filter((one) => one.path === path).map(({ noun }) => ({ type: noun }))).filter(
      (noun) => noun !== 'webhook' && noun !== 'key', // of what this test itself makes
    )
  await somethingOfEach('second')
  await volume('second-last')
  await until('all arrived', () =>
    ['/developer', '/all', '/narrow', '/admin', '/operator'].every((path) =>
      hook.got.some((one) => one.path === path && one.name === 'second-last'),
    ),
  )
  await until('and the invoices', () => nounsAt('/operator').length === 4 && nounsAt('/admin').length === 2)
  assert.deepEqual(nounsAt('/developer'), ['quota', 'secret', 'volume'])
  assert.ok(!hook.got.some(({ path, noun }) => path !== '/operator' && noun === 'key'))
  assert.deepEqual(nounsAt('/all'), ['quota', 'secret', 'volume'])
  assert.deepEqual(nounsAt('/narrow'), ['volume'])
  assert.deepEqual(nounsAt('/admin'), ['invoice', 'volume'])

  await platform.call('DELETE', `/v1/keys/${adminId}`)
  hook.got.length = 0
  await somethingOfEach('third')
  await volume('third-last')
  await until('the operator hears of it', () => nounsAt('/operator').length === 4)
  await until('what it made hears on', () =>
    hook.got.some(({ path, name }) => path === '/admin' && name === 'third-last'),
  )
  assert.deepEqual(nounsAt('/admin'), ['volume'], 'of what is gone as a developer would')
})

let plans = 0

/** An event of a volume, a secret, a quota and an invoice. */
async function somethingOfEach(name: string): Promise<void> {
  const { terms } = (await platform.json('GET', '/v1/billing/plans')).plans[0]
  const plan = `dear-${plans++}`
  await platform.json('PUT', `/v1/billing/plans/${plan}`, {
    ...terms,
    prices: { USD: { monthly: 10_000_000_000, rates: {} } },
  })
  await platform.json('PUT', '/v1/billing/plan', { plan, currency: 'USD' })
  const invoice = await until('there is something to pay', async () => {
    const answer = await platform.call('POST', '/v1/billing/accounts/org0/invoices', {}, keyed(plan))
    return answer.ok && (await answer.json())
  })
  assert.ok(invoice.id)
  await platform.json('PUT', '/v1/quotas', { quotas: { sandboxes: 50 + plans } })
  await platform.json('POST', '/v1/secrets', { name: name.toUpperCase(), value: 'value' })
  await volume(name)
}

function volume(name: string): Promise<Answer> {
  return platform.json('POST', '/v1/volumes', { name, sizeMb: 16 })
}

async function keyOf(role: string, scopes?: string[]): Promise<string> {
  return (await platform.json('POST', '/v1/keys', { name: role, role, ...(scopes ? { scopes } : {}) })).key
}

async function nounsRead(key: string): Promise<string[]> {
  const answer = await platform.fetch('/v1/events?limit=1000', { headers: { 'x-api-key': key } })
  assert.equal(answer.status, 200)
  return nounsOf((await answer.json()).events)
}

/** From the beginning until the one that everybody here sees last. */
async function nounsFollowed(key: string): Promise<string[]> {
  const wanted = (await nounsRead(key)).length
  const headers = { 'x-api-key': key, 'last-event-id': '0-0' }
  const { body } = await platform.fetch('/v1/events?follow=true', { headers })
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of body!) {
    text += decoder.decode(bytes, { stream: true })
    const found = nounsOf([...text.matchAll(/"type":"([a-z_.]+)"/g)].map(([, type]) => ({ type })))
    if (found.length >= wanted) return found
  }
  throw new Error(`the stream ended: ${text}`)
}

/** But for sandboxes: the first start may make one. */
function nounsOf(events: Answer[]): string[] {
  return [...new Set(events.map(({ type }): string => type.split('.')[0]))].filter((noun) => noun !== 'sandbox').sort()
}

interface Got {
  path: string
  noun: string
  name: string | undefined
}

async function receive(): Promise<{ url: string; got: Got[] }> {
  const got: Got[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const { type, data } = JSON.parse(text)
    got.push({ path: request.url!, noun: type.split('.')[0], name: data.name })
    response.writeHead(204).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got }
}

test('a function is called for what any developer may see, and nobody asks for more than they may', async () => {
  const files = { 'index.js': Buffer.from('exports.handler = async (event) => event').toString('base64') }
  await platform.json('PUT', '/v1/functions/watch', { runtime: 'node24', files })
  const ask = async (key: string, events: string[]) =>
    (
      await platform.fetch('/v1/functions/watch/event-triggers', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: JSON.stringify({ events }),
      })
    ).status
  const narrow = await keyOf('developer', ['functions:write', 'webhooks:manage', 'volumes:read'])
  assert.equal(await ask(await keyOf('developer'), ['invoice.*']), 403)
  assert.equal(await ask(platform.key, ['payment.failed']), 403, 'its code is any developer’s')
  assert.equal(await ask(narrow, ['*']), 403)
  assert.equal(await ask(narrow, ['secret.created']), 403)
  assert.equal(await ask(narrow, ['volume.created']), 201)
  assert.equal(await ask(platform.key, ['*']), 201)
  await somethingOfEach('fourth')
  await volume('fourth-last')
  const nouns: Answer = await until(
    'it was called for the last, and the calls before it have ended too',
    async () => {
      const { invocations } = await platform.json('GET', '/v1/functions/watch/invocations?limit=100')
      const over: Answer = invocations.filter(({ state }: Answer) => state === 'succeeded')
      const lasts = over.filter(({ result }: Answer) => result.data?.name === 'fourth-last')
      return (
        lasts.length >= 2 &&
        over.length === invocations.length &&
        nounsOf(over.map(({ result }: Answer) => ({ type: result.type.replace('warren.', '') })))
      )
    },
    60_000,
  )
  assert.ok(nouns.includes('secret') && !nouns.includes('invoice'), String(nouns))
})
