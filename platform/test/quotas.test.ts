import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_QUOTA_STORAGE_MB: '4096' })
const small = { limits: { cpuCores: 0.25, memoryMb: 32, diskMb: 16 } }

const set = (quotas: object, key = platform.key) =>
  platform.call('PUT', '/v1/quotas', { quotas }, { headers: { 'x-api-key': key } })
const quota = async (name: string): Promise<Answer> =>
  (await platform.json('GET', '/v1/quotas')).quotas.find((one: Answer) => one.name === name)
const create = (input: object = small) => platform.call('POST', '/v1/sandboxes', input)
const removeAll = async () => {
  const { sandboxes } = await platform.json('GET', '/v1/sandboxes?limit=100')
  await Promise.all(sandboxes.map(({ id }: Answer) => platform.call('DELETE', `/v1/sandboxes/${id}`)))
}

async function refused(answer: Response, quotaName: string): Promise<void> {
  const body = (await answer.json()) as Answer
  assert.deepEqual([answer.status, body.code, body.details?.quota], [429, 'limit_exceeded', quotaName], body.message)
  assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
}

test('a hundred creates at once, where there is room for three, are three sandboxes', async () => {
  await set({ sandboxes: 3 })
  const answers = await Promise.all(Array.from({ length: 100 }, () => create()))
  assert.equal(answers.filter(({ status }) => status === 201).length, 3)
  for (const answer of answers.filter(({ status }) => status !== 201)) await refused(answer, 'sandboxes')
  assert.deepEqual(await quota('sandboxes'), { name: 'sandboxes', most: 3, used: 3, own: true })
  await removeAll()
  assert.equal((await quota('sandboxes')).used, 0)
  await set({ sandboxes: null })
  assert.deepEqual(await quota('sandboxes'), { name: 'sandboxes', most: 1000, used: 0, own: false })
})

test('cores, memory and disk count together over all sandboxes', async () => {
  for (const [name, most] of [
    ['cpuCores', 0.5],
    ['memoryMb', 64],
    ['storageMb', 32],
  ] as const) {
    await set({ [name]: most })
    const answers = await Promise.all(Array.from({ length: 6 }, () => create()))
    assert.equal(answers.filter(({ status }) => status === 201).length, 2, name)
    await refused(answers.find(({ status }) => status === 429)!, name)
    assert.equal((await quota(name)).used, most)
    await removeAll()
    await set({ [name]: null })
  }
})

test('forks count, and a paused one counts again when it is resumed', async () => {
  await set({ sandboxes: 2 })
  const path = await platform.sandbox(small)
  const pausing = await platform.call('POST', `${path}/pause`, {})
  const pauses = pausing.ok && (await pausing.json()).memory !== 'resident'
  if (pauses) {
    assert.equal((await quota('sandboxes')).used, 0)
    await Promise.all([platform.sandbox(small), platform.sandbox(small)])
    await refused(await platform.call('POST', `${path}/resume`, {}), 'sandboxes')
    await set({ sandboxes: 3 })
    await platform.json('POST', `${path}/resume`, {})
    const forked = await platform.call('POST', `${path}/fork`, { count: 2 })
    if (forked.status === 429) await refused(forked, 'sandboxes')
    else assert.equal(forked.status, 503, 'this runtime cannot fork')
  }
  await removeAll()
  await set({ sandboxes: null })
})

test('what a sandbox held is free again after kill -9 of the platform and the end of the sandbox', async () => {
  await set({ sandboxes: 2 })
  await Promise.all([platform.sandbox({ ...small, timeout: 1 }), create()])
  await platform.kill('SIGKILL')
  await platform.start()
  await until('the one whose time was over is gone', async () => (await quota('sandboxes')).used === 1, 20_000)
  assert.equal((await create()).status, 201)
  await refused(await create(), 'sandboxes')
  await removeAll()
  await set({ sandboxes: null })
})

test('volumes take from the same disk quota as sandboxes, exactly', async () => {
  await set({ storageMb: 100 })
  const volumes = await Promise.all(
    Array.from({ length: 8 }, (_, at) => platform.call('POST', '/v1/volumes', { name: `v${at}`, sizeMb: 32 })),
  )
  const made = volumes.filter(({ status }) => status === 201)
  assert.equal(made.length, 3)
  await refused(volumes.find(({ status }) => status === 429)!, 'storageMb')
  await refused(await create(), 'storageMb')
  for (const answer of made) await platform.call('DELETE', `/v1/volumes/${(await answer.json()).id}`)
  assert.equal((await create()).status, 201)
  await removeAll()
  await set({ storageMb: null })
})

test('the requests of an organisation follow its quota within a second', async () => {
  await set({ requestsPerMinute: 30 })
  await until('the policy is told', async () => {
    const { headers } = await platform.fetch('/v1/runtimes', { headers: { 'x-api-key': platform.key } })
    return headers.get('ratelimit-policy')?.endsWith(', 30;w=60') ?? false
  })
  await set({ requestsPerMinute: null })
})

test('only the operator sets quotas, and only what they can be', async () => {
  const { key } = await platform.json('POST', '/api-keys', { name: 'a tenant' })
  const forbidden = await set({ sandboxes: 100_000 }, key)
  assert.deepEqual([forbidden.status, (await forbidden.json()).code], [403, 'forbidden'])
  assert.equal((await platform.fetch('/v1/quotas', { headers: { 'x-api-key': key } })).status, 200)
  for (const quotas of [
    { sandboxes: -1 },
    { sandboxes: '5' },
    { lamas: 5 },
    { requestsPerMinute: 0 },
    { cpuCores: 1e300 },
  ]) {
    const answer = await set(quotas)
    assert.deepEqual([answer.status, (await answer.json()).code], [400, 'invalid_request'], JSON.stringify(quotas))
  }
  assert.equal((await quota('sandboxes')).own, false)
})

test('what is set for another organisation changes nothing here', async () => {
  const { id } = await platform.json('POST', '/v1/orgs', { name: 'somebody' })
  const answer = await platform.call('PUT', '/v1/quotas', { organisation: id, quotas: { sandboxes: 0 } })
  assert.equal(answer.status, 204)
  assert.equal((await quota('sandboxes')).own, false)
  const nobody = await platform.call('PUT', '/v1/quotas', { organisation: 'nobody', quotas: { sandboxes: 0 } })
  const { code, hint } = await nobody.json()
  assert.deepEqual([nobody.status, code], [404, 'not_found'])
  assert.match(hint, /warren org list/)
})

test('a plan allows so many sandboxes at once, and what was set for the organisation stands above it', async () => {
  const { plans } = await platform.json('GET', '/v1/billing/plans')
  await platform.json('PUT', '/v1/billing/plans/two', { ...plans[0].terms, concurrency: 2 })
  await platform.json('PUT', '/v1/billing/plan', { plan: 'two', currency: 'USD' })
  const answers = await Promise.all(Array.from({ length: 5 }, () => create()))
  assert.equal(answers.filter(({ status }) => status === 201).length, 2)
  for (const answer of answers.filter(({ status }) => status !== 201)) await refused(answer, 'sandboxes')
  assert.deepEqual(await quota('sandboxes'), { name: 'sandboxes', most: 2, used: 2, own: false })
  await set({ sandboxes: 3 })
  assert.equal((await create()).status, 201)
  await refused(await create(), 'sandboxes')
  await removeAll()
})
