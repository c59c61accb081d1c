import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

/** What docs/threat-model.md says of /h/ and /r/, tried by somebody without a key. */
const perMinute = 60
const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1', WARREN_RATE_SANDBOX: String(perMinute) })
const secret = 'a signing secret of theirs'
const source = `export default async (request) => Response.json([...request.headers].filter(([name]) => /key|warren|auth|mine/.test(name)).sort())`
const files = { 'index.ts': Buffer.from(source).toString('base64') }
await platform.json('PUT', '/v1/functions/shown', { runtime: 'node24', files })

const post = async (path: string, body: string, headers: Record<string, string> = {}) => {
  const reply = await platform.fetch(path, { method: 'POST', body, headers })
  const { requestId: _, ...answer } = await reply.json()
  return { status: reply.status, ...answer }
}
const made = async (): Promise<Answer[]> => (await platform.json('GET', '/v1/functions/shown/invocations')).invocations
const signed = (body: string) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
})

test('a signature that does not fit, or that cannot be judged, leaves nothing behind; only the body is signed by GitHub', async () => {
  await platform.json('POST', '/v1/secrets', { name: 'SIGNING', value: secret })
  const { url } = await platform.json('POST', '/v1/functions/shown/hooks', { scheme: 'github', secrets: ['SIGNING'] })
  const { pathname } = new URL(url)
  const forged = [
    {},
    signed('another'),
    { 'x-hub-signature-256': 'sha256=' },
    { 'x-hub-signature-256': 'x'.repeat(5000) },
  ]
  for (const headers of forged)
    assert.equal((await post(pathname, 'a body', headers as Record<string, string>)).status, 401)
  assert.deepEqual(await made(), [])
  for (const delivery of ['one', 'one', 'two'])
    assert.equal((await post(pathname, 'a body', { ...signed('a body'), 'x-github-delivery': delivery })).status, 202)
  await until(
    'both are made',
    async () => {
      const calls = await made()
      return calls.length === 2 && calls.every(({ state }: Answer) => state === 'succeeded')
    },
    60_000,
  )
  await platform.call('DELETE', '/v1/secrets/SIGNING')
  const closed = await post(pathname, 'a body', { ...signed('a body'), 'x-github-delivery': 'three' })
  assert.deepEqual([closed.status, closed.code], [503, 'unavailable'])
  assert.equal((await made()).length, 2)
})

test('the key that opened a route is not passed on, and nothing else is kept back', async () => {
  await platform.json('POST', '/v1/routes', { path: '/shown', function: 'shown' })
  const headers = { 'x-mine': 'kept', authorization: `Bearer ${platform.key}` }
  const seen = await (await platform.call('GET', '/r/org0/shown', undefined, { headers })).json()
  assert.deepEqual(seen, [['x-mine', 'kept']])
})

test('guesses at hooks and routes are all the same 404, and only so many are heard', async () => {
  const { url } = await platform.json('POST', '/v1/functions/shown/hooks', {})
  const [, , id, token] = new URL(url).pathname.split('/')
  const wrong = [
    `/h/${id}`,
    `/h/${id}/${token!.slice(0, -1)}x`,
    `/h/${id}/${'x'.repeat(80)}`,
    `/h/h${'0'.repeat(20)}/${token}`,
  ]
  const answers = await Promise.all(wrong.map((path) => post(path, '{}')))
  for (const answer of answers) assert.deepEqual(answer, answers[0])
  assert.deepEqual([answers[0].status, answers[0].code], [404, 'not_found'])
  const statuses: number[] = []
  for (let at = 0; at < 4 * perMinute; at++) {
    const path = at % 2 === 0 ? `/h/${id}/guess${at}` : `/r/org${at}/guess`
    statuses.push((await platform.fetch(path, { method: 'POST', body: '{}' })).status)
  }
  assert.equal(statuses.at(-1), 429)
  assert.ok(statuses.every((status) => status === 404 || status === 429))
  assert.equal((await platform.call('GET', '/v1/functions/shown')).status, 200, 'who has a key is not held back by it')
})
