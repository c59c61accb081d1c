import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'
import { type Received, receive } from './webhook-receiver.ts'

const platform = await startPlatform({ WARREN_WEBHOOK_OPEN: '127.0.0.0/8' })

test('each event that is wanted arrives once, signed as Standard Webhooks has it', async () => {
  const receiver = await receive()
  const { id, secret } = await create(receiver.url, ['volume.*'])
  await volume('told')
  await platform.call('DELETE', '/v1/volumes/told')
  await until('both arrived', () => receiver.got.length === 2)
  assert.deepEqual(
    receiver.got.map(({ body }) => [body.type, body.data.name]),
    [
      ['volume.created', 'told'],
      ['volume.deleted', 'told'],
    ],
  )
  for (const received of receiver.got) assert.ok(isSigned(received, secret))
  assert.ok(!isSigned({ ...receiver.got[0]!, text: `${receiver.got[0]!.text} ` }, secret))
  const deliveries = await delivered(id, 2)
  assert.deepEqual(
    deliveries.map(({ state, attempts }: Answer) => [state, attempts.length, attempts[0].status]),
    [
      ['delivered', 1, 204],
      ['delivered', 1, 204],
    ],
  )
  assert.equal((await platform.json('GET', `/v1/webhooks/${id}`)).secret, undefined)
  await platform.call('DELETE', `/v1/webhooks/${id}`)
})

test('what fails is tried again, and what comes after it about the same subject waits; others go on', async () => {
  let failures = 1
  const receiver = await receive((got) => (got.body.data.name === 'first' && failures-- > 0 ? 500 : 204))
  const { id } = await create(receiver.url, ['volume.*'])
  await volume('first')
  await platform.call('DELETE', '/v1/volumes/first')
  await volume('second')
  await until('the other arrived', () => receiver.got.some(({ body }) => body.data.name === 'second'))
  const waiting = await until('its failure is recorded, and that the other was told', async () => {
    const { deliveries } = await platform.json('GET', `/v1/webhooks/${id}/deliveries?state=waiting`)
    const isAlone = deliveries.every(({ subject }: Answer) => subject === deliveries[0].subject)
    return isAlone && deliveries.at(-1)?.attempts.length === 1 && deliveries
  })
  assert.match(waiting.at(-1).attempts[0].error, /answered 500/)
  await until('the rest arrived', () => receiver.got.length === 4, 30_000)
  const first = receiver.got.filter(({ body }) => body.data.name === 'first')
  assert.deepEqual(
    first.map(({ body }) => body.type),
    ['volume.created', 'volume.created', 'volume.deleted'],
  )
  assert.equal(first[0]!.headers['webhook-id'], first[1]!.headers['webhook-id'])
  await platform.call('DELETE', '/v1/volumes/second')
  await platform.call('DELETE', `/v1/webhooks/${id}`)
})

test('a platform that is killed while it sends sends again; an endpoint that never answers holds no other', async () => {
  let hang = true
  const slow = await receive(() => (hang ? undefined : 204))
  const quick = await receive()
  const webhooks = [await create(slow.url, ['volume.created']), await create(quick.url, ['volume.created'])]
  await volume('crash')
  await until('both were asked', () => slow.got.length === 1 && quick.got.length === 1)
  await delivered(webhooks[1]!.id, 1)
  await platform.kill('SIGKILL')
  hang = false
  await platform.start()
  await until('it was sent again', () => slow.got.length === 2, 60_000)
  assert.equal(slow.got[0]!.text, slow.got[1]!.text)
  await delivered(webhooks[0]!.id, 1)
  assert.equal(quick.got.length, 1)
  for (const { id } of webhooks) await platform.call('DELETE', `/v1/webhooks/${id}`)
  await platform.call('DELETE', '/v1/volumes/crash')
})

test('a secret that was rotated signs beside the new one for a while; a replay and a test are sent as any other', async () => {
  const receiver = await receive()
  const { id, secret } = await create(receiver.url, ['quota.changed'])
  const rotated = await platform.json('POST', `/v1/webhooks/${id}/rotate`, { overlapSeconds: 3600 })
  assert.notEqual(rotated.secret, secret)
  const { delivery } = await platform.json('POST', `/v1/webhooks/${id}/test`)
  await until('it arrived', () => receiver.got.length === 1)
  assert.equal(receiver.got[0]!.headers['webhook-id'], delivery)
  assert.ok(isSigned(receiver.got[0]!, secret) && isSigned(receiver.got[0]!, rotated.secret))
  const last = await platform.json('POST', `/v1/webhooks/${id}/rotate`, { overlapSeconds: 0 })
  assert.equal((await platform.json('POST', `/v1/webhooks/${id}/replay`)).replayed, 0)
  await until(
    'it is recorded',
    async () => (await platform.json('POST', `/v1/webhooks/${id}/replay`, { delivery })).replayed === 1,
  )
  await until('it arrived again', () => receiver.got.length === 2)
  assert.ok(isSigned(receiver.got[1]!, last.secret) && !isSigned(receiver.got[1]!, rotated.secret))
  await platform.call('DELETE', `/v1/webhooks/${id}`)
})

test('one that answers 410 is disabled, and one with a redirect is not followed', async () => {
  const gone = await receive(() => 410)
  const moved = await receive(() => 302)
  const [first, second] = [await create(gone.url, []), await create(moved.url, [])]
  for (const { id } of [first, second]) await platform.json('POST', `/v1/webhooks/${id}/test`)
  await until(
    'it is disabled',
    async () => (await platform.json('GET', `/v1/webhooks/${first.id}`)).state === 'disabled',
  )
  await until('it failed', async () => {
    const { deliveries } = await platform.json('GET', `/v1/webhooks/${second.id}/deliveries`)
    return /answered 302/.test(deliveries[0].attempts[0]?.error ?? '')
  })
  for (const { id } of [first, second]) await platform.call('DELETE', `/v1/webhooks/${id}`)
})

test('addresses that nobody opened are not asked, whatever they are called', async () => {
  for (const url of [
    'http://10.0.0.1/',
    'https://169.254.169.254/latest',
    'http://[::1]:1/',
    'http://1.1.1.1/',
    'https://[::ffff:10.0.0.1]/',
  ]) {
    const { id } = await create(url, ['quota.changed'])
    await platform.json('POST', `/v1/webhooks/${id}/test`)
    const error = await until(`${url} failed`, async () => {
      const { deliveries } = await platform.json('GET', `/v1/webhooks/${id}/deliveries`)
      return deliveries[0].attempts[0]?.error
    })
    assert.match(error, /is at .*, which is|only https/, url)
    await platform.call('DELETE', `/v1/webhooks/${id}`)
  }
  for (const url of ['ftp://example.com', 'https://user:secret@example.com', 'nothing at all'])
    assert.equal((await platform.call('POST', '/v1/webhooks', { url })).status, 400, url)
  for (const events of [['sandbox'], ['SANDBOX.*'], 'sandbox.*', ['sandbox.exploded'], ['volume.*', 'none.*']])
    assert.equal((await platform.call('POST', '/v1/webhooks', { url: 'https://example.com', events })).status, 400)
  assert.equal((await platform.call('GET', '/v1/webhooks/w123')).status, 404)
})

test('events are listed page by page, and followed from where one was', async () => {
  await volume('seen')
  const stopped = new AbortController()
  const all: Answer[] = []
  for (let after: string | undefined; ; ) {
    const page = await platform.json('GET', `/v1/events?limit=3${after ? `&after=${after}` : ''}`)
    all.push(...page.events)
    if (!page.next) break
    after = page.next
  }
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length)
  const made = all.findIndex(({ type, data }) => type === 'volume.created' && data.name === 'seen')
  assert.ok(made > 0)
  const followed = await platform.call('GET', '/v1/events?follow=true&type=volume.created,volume.deleted', undefined, {
    headers: { 'last-event-id': all[made - 1].id },
    signal: stopped.signal,
  })
  const reading = readTwo(followed)
  await platform.call('DELETE', '/v1/volumes/seen')
  const [first, second] = await reading
  stopped.abort()
  assert.match(first!, new RegExp(`^id: ${all[made].id}\nevent: event\n`))
  assert.match(second!, /"type":"volume.deleted"/)
  assert.equal((await platform.call('GET', '/v1/events?after=x')).status, 400)
  const only = await platform.json('GET', `/v1/events?subject=${all[made].subject}`)
  assert.equal(only.events.length, 2)
})

function isSigned({ headers, text }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`
  const wanted = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
  return String(headers['webhook-signature']).split(' ').includes(wanted)
}

function create(url: string, events: string[]): Promise<Answer> {
  return platform.json('POST', '/v1/webhooks', { url, events })
}

/** What was delivered to it, once it is so many. */
function delivered(id: string, count: number): Promise<Answer[]> {
  return until(`${count} deliveries`, async () => {
    const { deliveries } = await platform.json('GET', `/v1/webhooks/${id}/deliveries?state=delivered`)
    return deliveries.length === count && deliveries
  })
}

function volume(name: string): Promise<Answer> {
  return platform.json('POST', '/v1/volumes', { name, sizeMb: 16 })
}

async function readTwo(response: Response): Promise<string[]> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const bytes of response.body!) {
    text += decoder.decode(bytes, { stream: true })
    const blocks = text.split('\n\n').filter((block) => block.includes('event: '))
    if (blocks.length >= 2 && text.endsWith('\n\n')) return blocks
  }
  throw new Error(`the stream ended: ${text}`)
}
