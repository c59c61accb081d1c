import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filesWith } from './network/reading.ts'
import { startPlatform } from './platform.ts'

const platform = await startPlatform({ WARREN_LOG_LEVEL: 'debug', WARREN_POOL_SIZE: '0' })
const value = 'hunter2-never-to-be-seen-anywhere'

test('a secret is kept, found by name and id, given a new value and forgotten, and its value is never shown', async () => {
  const answers: string[] = []
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await platform.call(method, `/v1/secrets${path}`, body)
    const text = await response.text()
    answers.push(text)
    return { status: response.status, body: text ? JSON.parse(text) : undefined }
  }
  const made = await call('POST', '', { name: 'OpenAI', value, hosts: ['API.example.com'], metadata: { team: 'a' } })
  assert.equal(made.status, 201)
  const { id, createdAt } = made.body
  assert.match(id, /^sec_[a-z0-9]{20}$/)
  const metadata = { team: 'a' }
  const secret = {
    id,
    name: 'openai',
    version: 1,
    hosts: ['api.example.com'],
    metadata,
    createdAt,
    updatedAt: createdAt,
  }
  assert.deepEqual(made.body, secret)
  assert.deepEqual((await call('GET', '/OPENAI')).body, secret)
  assert.deepEqual((await call('GET', `/${id}`)).body, secret)
  assert.deepEqual((await call('GET', '')).body, { secrets: [secret] })
  assert.equal((await call('POST', '', { name: 'openai', value })).status, 409)
  const updated = await call('PUT', '/openai', { value: `${value}-2` })
  assert.deepEqual([updated.status, updated.body.version, updated.body.hosts], [200, 2, ['api.example.com']])
  assert.equal((await call('PUT', '/openai', { hosts: [] })).body.version, 2)
  for (const wrong of [
    { name: 'sec_x', value },
    { name: 'SEC_x', value },
    { name: 'a{b}', value },
    { name: 'a\nb', value },
    { name: 'x' },
    { name: 'x', value: `${value}\0` },
    { name: 'x', value: value.repeat(3000) },
    { name: 'x', value: [value] },
    { name: 'x', value, hosts: ['https://example.com'] },
    { name: 'x', value, hosts: ['*'] },
    { name: 'x', value, metadata: Object.fromEntries([...Array(32).keys()].map((at) => [`k${at}`, 'v'.repeat(500)])) },
  ])
    assert.equal((await call('POST', '', wrong)).status, 400)
  assert.equal((await call('DELETE', '/openai')).status, 204)
  assert.equal((await call('DELETE', '/openai')).status, 404)
  assert.equal((await call('GET', `/${id}`)).status, 404)
  assert.deepEqual(
    answers.filter((text) => text.includes('hunter2')),
    [],
  )
})

test('the value is in no file of the home and in no log, and survives a kill', async () => {
  await platform.json('POST', '/v1/secrets', { name: 'kept', value })
  await platform.json('PUT', '/v1/secrets/kept', { value: `${value}-3` })
  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal((await platform.json('GET', '/v1/secrets/kept')).version, 2)
  assert.deepEqual(filesWith(platform.home, ['hunter2']), [])
  assert.ok(!platform.log().includes('hunter2'))
})
