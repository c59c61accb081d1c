import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, startPlatform } from '../platform.ts'

const platform = await startPlatform()

test('keys are made with the admin key or a token, act for the team, and cannot make others', async () => {
  const token = await (await platform.call('POST', '/access-tokens', { name: 'cli' })).json()
  assert.match(token.token, /^sk_e2b_[0-9a-f]{40}$/)
  const as = (key: string, method: string, path: string, body?: object) =>
    platform.fetch(path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  const made = await as(token.token, 'POST', '/api-keys', { name: 'ci' })
  assert.equal(made.status, 201)
  const { key, ...view } = await made.json()
  assert.match(key, /^e2b_[0-9a-f]{40}$/)
  assert.equal(view.mask.maskedValueSuffix, key.slice(-4))
  assert.equal((await as(key, 'GET', '/v2/sandboxes')).status, 200)
  const [listed] = (await (await as(token.token, 'GET', '/api-keys')).json()) as Answer[]
  assert.deepEqual({ ...listed, lastUsed: null }, view)
  assert.ok(listed.lastUsed)

  const refused = await as(key, 'POST', '/api-keys', { name: 'more' })
  assert.deepEqual([refused.status, (await refused.json()).code], [403, 403])
  assert.equal((await as(token.token, 'PATCH', `/api-keys/${view.id}`, { name: 'other' })).status, 204)
  assert.equal((await platform.json('GET', '/api-keys'))[0].name, 'other')
  assert.equal((await as(token.token, 'DELETE', `/api-keys/${view.id}`)).status, 204)
  assert.equal((await as(token.token, 'DELETE', `/api-keys/${view.id}`)).status, 404)
  assert.equal((await as(key, 'GET', '/v2/sandboxes')).status, 401)

  await platform.kill('SIGKILL')
  await platform.start()
  const [team] = await (await as(token.token, 'GET', '/teams')).json()
  assert.deepEqual([team.name, team.isDefault, team.apiKey], ['operator', true, token.token])
  assert.equal((await as(token.token, 'DELETE', `/access-tokens/${token.id}`)).status, 204)
  assert.equal((await as(token.token, 'GET', '/teams')).status, 401)
})

test('what is used is sampled while a sandbox runs, and counted for the team', async () => {
  const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
  const path = `/sandboxes/${sandboxID}/metrics`
  const begun = Math.floor(Date.now() / 1000)
  await sleep(11_000)
  const samples: Answer[] = await platform.json('GET', `${path}?end=${begun + 60}`)
  assert.ok(samples.length >= 3, 'two were taken before anybody asked')
  for (const name of [
    'timestamp',
    'timestampUnix',
    'cpuCount',
    'cpuUsedPct',
    'memUsed',
    'memTotal',
    'memCache',
    'diskUsed',
    'diskTotal',
  ])
    assert.ok(name in samples[0], name)
  assert.ok(samples.every((one, at) => at === 0 || one.timestamp >= samples[at - 1].timestamp))
  assert.deepEqual(await platform.json('GET', `${path}?start=1&end=1000`), [])
  const both = await platform.json('GET', `/sandboxes/metrics?sandbox_ids=${sandboxID},none`)
  assert.deepEqual(Object.keys(both.sandboxes), [sandboxID])
  await platform.json('POST', `/sandboxes/${sandboxID}/pause`, {})
  assert.ok((await platform.json('GET', path)).length >= samples.length, 'also while it is paused')
  const resumed = await platform.call('POST', `/v2/sandboxes/${sandboxID}/connect`, {})
  assert.equal(resumed.status, 201)

  const [{ teamID }] = await platform.json('GET', '/teams')
  const now = Math.ceil(Date.now() / 1000)
  const points = await platform.json('GET', `/teams/${teamID}/metrics?start=${now - 30}&end=${now + 1}`)
  assert.ok(points.length > 3)
  assert.equal(points.at(-1).concurrentSandboxes >= 0, true)
  const most = await platform.json('GET', `/teams/${teamID}/metrics/max?metric=concurrent_sandboxes&start=${now - 30}`)
  assert.equal(most.value, 1)
  assert.equal((await platform.call('GET', '/teams/none/metrics')).status, 404)
  assert.equal((await platform.call('GET', `/teams/${teamID}/metrics?start=9&end=1`)).status, 400)
  await platform.call('DELETE', `/sandboxes/${sandboxID}`)
})
