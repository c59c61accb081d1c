import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })
const deploy = (name: string, source: string, settings: object = {}) =>
  platform.json('PUT', `/v1/functions/${name}`, {
    runtime: 'node24',
    files: { 'index.js': Buffer.from(source).toString('base64') },
    settings,
  })
const path = (name: string) => `/v1/functions/${name}/hooks`
const secret = 'a signing secret of theirs'
await platform.json('POST', '/v1/secrets', { name: 'SIGNING', value: secret })
const show = `export default async (request) =>
  Response.json([request.method, new URL(request.url).search, request.headers.get('x-github-event'),
    request.headers.get('x-warren-delivery'), await request.text()])`

/** As another service sends it: without a key. */
async function post(url: string, body: string, headers: Record<string, string> = {}) {
  const { pathname, search } = new URL(url)
  const reply = await platform.fetch(pathname + search, { method: 'POST', body, headers })
  return { status: reply.status, body: await reply.json() }
}

const signed = (body: string) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

async function calls(name: string, count: number): Promise<Answer[]> {
  return until(
    `${name} was called ${count} times`,
    async () => {
      const { invocations } = await platform.json('GET', `/v1/functions/${name}/invocations?limit=500`)
      const over = invocations.filter(({ state }: Answer) => ['succeeded', 'failed'].includes(state))
      return over.length >= count && over.length === invocations.length && over
    },
    60_000,
  )
}

const resultOf = ({ result }: Answer) => (typeof result === 'string' ? JSON.parse(result) : result)

test('an address that cannot be guessed takes what is posted to it, told once and kept by its hash', async () => {
  await deploy('open', show)
  const { url, ...made } = await platform.json('POST', path('open'), { idHeader: 'X-Event-Id' })
  const listed = (await platform.json('GET', path('open'))).hooks
  assert.deepEqual(listed, [made])
  const first = await post(`${url}?from=them`, 'no json', { 'x-event-id': 'e1', 'x-warren-delivery': 'forged' })
  assert.deepEqual([first.status, first.body.repeated], [202, false])
  const again = await post(`${url}?from=them`, 'no json', { 'x-event-id': 'e1' })
  assert.deepEqual(again, { status: 202, body: { id: first.body.id, repeated: true } })
  assert.equal((await post(url, 'without a name')).status, 202)
  assert.equal((await post(url, 'without a name')).status, 202)
  const found = await calls('open', 3)
  assert.deepEqual(found.map(resultOf).sort(), [
    ['POST', '', null, null, 'without a name'],
    ['POST', '', null, null, 'without a name'],
    ['POST', '?from=them', null, 'e1', 'no json'],
  ])
  assert.ok(found.every(({ trigger }) => trigger === 'webhook'))
  const token = new URL(url).pathname.split('/')[3]!
  for (const wrong of [url.slice(0, -1), url.slice(0, -token.length - 1), `${url.slice(0, -1)}x`, `${url}/more`])
    assert.equal((await post(wrong, 'x')).status, 404, wrong)
  assert.equal((await platform.fetch(new URL(url).pathname)).status, 405)
  assert.equal((await post(url, 'x'.repeat((1 << 20) + 1))).status, 413)
  assert.equal((await platform.call('DELETE', `${path('open')}/${made.id}`)).status, 204)
  assert.equal((await post(url, 'x')).status, 404)
})

test('a signed delivery is taken once, and one that is not genuine is no call', async () => {
  await deploy('signed', show)
  const { url, id } = await platform.json('POST', path('signed'), { scheme: 'github', secrets: ['SIGNING'] })
  const body = '{"zen":"grün"}'
  const headers = { 'x-hub-signature-256': signed(body), 'x-github-delivery': 'd1', 'x-github-event': 'push' }
  const first = await post(url, body, headers)
  assert.deepEqual([first.status, first.body.repeated], [202, false])
  assert.equal((await post(url, body, headers)).body.id, first.body.id)
  for (const [text, more] of [
    [`${body} `, {}],
    [body, { 'x-hub-signature-256': signed(`${body}.`) }],
    [body, { 'x-hub-signature-256': '' }],
  ] as const) {
    const refused = await post(url, text, { ...headers, ...more })
    assert.deepEqual([refused.status, refused.body.code], [401, 'unauthenticated'], text)
    assert.ok(!JSON.stringify(refused.body).includes(secret))
  }
  const [call, ...others] = await calls('signed', 1)
  assert.deepEqual([resultOf(call), others], [['POST', '', 'push', 'd1', body], []])
  assert.deepEqual(
    (await platform.json('GET', path('signed'))).hooks.map((hook: Answer) => hook.url),
    [url],
  )
  // A secret that changed counts at once, and without it nothing is taken, so that the sender repeats it.
  await platform.json('PUT', '/v1/secrets/SIGNING', { value: 'another' })
  assert.equal((await post(url, body, { ...headers, 'x-github-delivery': 'd2' })).status, 401)
  await platform.json('PUT', '/v1/secrets/SIGNING', { value: secret })
  assert.equal((await post(url, body, { ...headers, 'x-github-delivery': 'd2' })).status, 202)
  assert.equal((await platform.call('DELETE', `${path('signed')}/${id}`)).status, 204)
})

test('a signature with a time counts within its window, and the same event signed again is the same call', async () => {
  await deploy('timed', show)
  const { url } = await platform.json('POST', path('timed'), {
    ...{ scheme: 'stripe', secrets: ['SIGNING'], signatureHeader: 'X-Their-Signature', toleranceSeconds: 60 },
  })
  const body = '{"id":"evt_1"}'
  const at = (seconds: number) => {
    const time = Math.floor(Date.now() / 1000) + seconds
    const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
    return { 'x-their-signature': `t=${time},v1=${signature}` }
  }
  assert.equal((await post(url, body, at(-120))).status, 401)
  assert.equal((await post(url, body, at(120))).status, 401)
  const first = await post(url, body, at(-20))
  const again = await post(url, body, at(0))
  assert.deepEqual([first.status, again.body], [202, { id: first.body.id, repeated: true }])
})

test('what does not go together is refused, and so is a secret that there is not', async () => {
  const asked = async (body: object, name = 'open') => (await platform.call('POST', path(name), body)).status
  assert.equal(await asked({}, 'none'), 404)
  assert.equal(await asked({ scheme: 'github', secrets: ['NONE'] }), 404)
  for (const body of [
    { scheme: 'github' },
    { scheme: 'unheard' },
    { secrets: ['SIGNING'] },
    { signatureHeader: 'x-signature' },
    { scheme: 'stripe', secrets: ['SIGNING'], idHeader: 'x-id' },
    { scheme: 'github', secrets: ['SIGNING'], toleranceSeconds: 60 },
    { scheme: 'github', secrets: ['SIGNING'], signatureHeader: 'no header' },
  ])
    assert.equal(await asked(body), 400, JSON.stringify(body))
})

test('what was answered with 202 is called for once, over kill -9 and however often it is repeated', async () => {
  await deploy('sturdy', `export default async (request) => new Response(await request.text())`, { concurrency: 10 })
  const { url } = await platform.json('POST', path('sturdy'), { scheme: 'github', secrets: ['SIGNING'] })
  const deliver = (n: number) =>
    post(url, `"${n}"`, { 'x-hub-signature-256': signed(`"${n}"`), 'x-github-delivery': `n${n}` })
  const numbers = Array.from({ length: 30 }, (_, n) => n)
  const before = await Promise.all(numbers.map(deliver))
  await platform.kill('SIGKILL')
  await platform.start()
  const after = await Promise.all(numbers.map(deliver))
  assert.ok(before.every(({ status }) => status === 202))
  assert.deepEqual(
    after.map(({ body }) => [body.id, body.repeated]),
    before.map(({ body }) => [body.id, true]),
  )
  const found = await calls('sturdy', 30)
  assert.deepEqual(
    found.map(({ result }) => Number(String(result).replaceAll('"', ''))).sort((a, b) => a - b),
    numbers,
  )
  assert.ok(!platform.log().includes(secret))
})
