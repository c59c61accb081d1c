import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })

/** Waits, in a call that came with another name, until one with `go` comes. */
const source = `let go
  exports.handler = async (event) => {
    if (event.go) return go()
    process.stdout.write('begun ' + event.name + '\\nhalf')
    if (event.waits) await new Promise((done) => { go = done })
    console.log(' a line of ' + event.name)
    if (event.throws) throw new Error('thrown')
    process.stdout.write('last ' + event.name)
  }`
const files = { 'index.js': Buffer.from(source).toString('base64') }
const settings = { concurrency: 2, maxInstances: 1, retries: 1, retrySeconds: 0.05, timeoutSeconds: 300 }
await platform.json('PUT', '/v1/functions/talker', { runtime: 'node24', files, settings })
const call = (event: object) => platform.call('POST', '/v1/functions/talker/invoke', event)

interface Told {
  id: string
  event: string
  data: Answer
}

/** What comes as server-sent events, until `close`. */
async function follow(query: string, headers: Record<string, string> = {}) {
  const controller = new AbortController()
  const { signal } = controller
  const reply = await platform.call('GET', `/v1/functions/talker/logs?follow=true${query}`, undefined, {
    headers,
    signal,
  })
  assert.equal(reply.status, 200)
  const told: Told[] = []
  const over = (async () => {
    let text = ''
    for await (const piece of reply.body!.pipeThrough(new TextDecoderStream())) {
      text += piece
      const whole = text.split('\n\n')
      text = whole.pop()!
      for (const one of whole) {
        const [, id, event, data] = /^(?:id: (.*)\n)?event: (.*)\ndata: (.*)$/.exec(one) ?? []
        if (event) told.push({ id: id ?? '', event, data: JSON.parse(data!) })
      }
    }
  })().catch(() => {})
  return {
    told,
    has: (count: number) => until(`${count} entries`, () => Promise.resolve(told.length >= count ? told : undefined)),
    close: async () => {
      controller.abort()
      await over
    },
  }
}

const texts = (told: Told[]) => told.map(({ event, data }) => (event === 'line' ? data.text : `${event} ${data.state}`))

test('lines come while a call runs, the rest and the end when it ends', async () => {
  const following = await follow('')
  const running = call({ name: 'one', waits: true })
  const [line] = await following.has(1)
  assert.deepEqual([line!.event, line!.data.text, line!.data.offset, line!.data.version], ['line', 'begun one', 0, 1])
  assert.equal(following.told.length, 1, 'no half of a line')
  await call({ go: true })
  const invocation = (await running).headers.get('x-warren-invocation')
  const all = (await following.has(5)).filter(({ data }) => data.invocation === invocation)
  assert.deepEqual(texts(all), ['begun one', 'half a line of one', 'last one', 'end succeeded'])
  const { log } = await platform.json('GET', `/v1/functions/talker/invocations/${invocation}`)
  for (const { event, data } of all)
    if (event === 'line') assert.equal(log.slice(data.offset, data.offset + data.text.length), data.text)
  await following.close()
})

test('what a call has written before somebody follows is told at once', async () => {
  await platform.json('PUT', '/v1/functions/early', { runtime: 'node24', files, settings })
  const early = (event: object) => platform.call('POST', '/v1/functions/early/invoke', event)
  const running = early({ name: 'early', waits: true })
  await until('it has written', async () => {
    const { entries } = await platform.json('GET', '/v1/functions/early/logs?after=2026-01-01')
    return entries.some(({ text }: Answer) => text === 'begun early')
  })
  await early({ go: true })
  await running
})

test('whoever names the last entry goes on behind it, once each; after a restart with the calls that have ended since', async () => {
  const first = await follow('')
  await call({ name: 'two' })
  const [last] = await first.has(1)
  await first.close()
  await call({ name: 'three' })
  const expected = [
    'half a line of two',
    'last two',
    'end succeeded',
    'begun three',
    'half a line of three',
    'last three',
    'end succeeded',
  ]
  const second = await follow('', { 'last-event-id': last!.id })
  assert.deepEqual(texts(await second.has(expected.length)), expected)
  await second.close()
  const { entries } = await platform.json('GET', `/v1/functions/talker/logs?after=${last!.id}`)
  assert.deepEqual(
    entries.map(({ text, state }: Answer) => text ?? `end ${state}`),
    expected,
  )

  await platform.kill('SIGKILL')
  await platform.start()
  await call({ name: 'four' })
  const third = await follow(`&after=${last!.id}`)
  await until('the newest call is there', async () => texts(third.told).includes('last four'))
  const again = texts(third.told)
  for (const text of expected) assert.ok(again.includes(text), text)
  assert.equal(again.filter((text) => text === 'begun four').length, 1)
  await third.close()
})

test('an attempt that fails ends, and the next one is told from its beginning; a search picks lines and ends', async () => {
  const [all, picked] = [await follow(''), await follow('&search=line+of+five')]
  await platform.call('POST', '/v1/functions/talker/invocations', { name: 'five', throws: true })
  assert.deepEqual(texts(await all.has(6)), [
    ...['begun five', 'half a line of five', 'end waiting'],
    ...['begun five', 'half a line of five', 'end failed'],
  ])
  assert.deepEqual(all.told.at(-1)!.data.error, { reason: 'error', message: 'thrown' })
  const found = ['half a line of five', 'end waiting', 'half a line of five', 'end failed']
  assert.deepEqual(texts(await picked.has(4)), found)
  await Promise.all([all.close(), picked.close()])
})

test('a bad place is refused, and who follows a function that is deleted is told', async () => {
  const refused = await platform.call('GET', '/v1/functions/talker/logs?follow=true&after=nonsense')
  assert.deepEqual([refused.status, (await refused.json()).code], [400, 'invalid_request'])
  const following = await follow('')
  await platform.call('DELETE', '/v1/functions/talker')
  const [end] = await following.has(1)
  assert.deepEqual([end!.event, end!.data.code], ['error', 'not_found'])
  await following.close()
})
