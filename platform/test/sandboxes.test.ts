import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, held, lacksOf, processesOf, type Reply, startPlatform, until } from './platform.ts'

const poolSize = 2
const platform = await startPlatform({ WARREN_MAX_SANDBOXES: '8', WARREN_POOL_SIZE: String(poolSize) })

async function codeOf(response: Reply): Promise<[number, string]> {
  return [response.status, (await response.json()).code]
}

test('create() answers with a running sandbox that says what it runs on and why nothing stronger', async () => {
  const response = await platform.call('POST', '/v1/sandboxes', {
    metadata: { purpose: 'test' },
    limits: { memoryMb: 256 },
  })
  assert.equal(response.status, 201)
  const sandbox = await response.json()
  assert.match(sandbox.id, /^s[a-z0-9]{20}$/)
  assert.equal(sandbox.state, 'running')
  assert.equal(sandbox.template, 'base')
  assert.equal(sandbox.limits.memoryMb, 256)
  assert.deepEqual(sandbox.metadata, { purpose: 'test' })
  assert.equal(typeof sandbox.warm, 'boolean')
  assert.ok(sandbox.runtime.driver && sandbox.runtime.isolation)
  assert.ok(sandbox.runtime.passedOver.every(({ driver, reason }: Answer) => driver && reason))
  assert.equal(Date.parse(sandbox.expiresAt) - Date.parse(sandbox.createdAt), 300_000)
  assert.equal(sandbox.ports.urlTemplate, `http://{port}-${sandbox.id}.localhost:${platform.port}/`)

  const path = `/v1/sandboxes/${sandbox.id}`
  assert.deepEqual(await platform.json('GET', path), sandbox)
  assert.equal((await platform.call('DELETE', path)).status, 204)
  assert.deepEqual(await codeOf(await platform.call('GET', path)), [404, 'not_found'])
  assert.deepEqual(await codeOf(await platform.call('DELETE', path)), [404, 'not_found'])
  assert.deepEqual(await codeOf(await platform.call('POST', `${path}/execute`, { command: 'true' })), [
    404,
    'not_found',
  ])
})

test('the environment of a sandbox reaches its programs and is never given back', async () => {
  const path = await platform.sandbox({ env: { SECRET_TOKEN: 'swordfish' } })
  const { stdout } = await platform.json('POST', `${path}/execute`, { command: 'echo $SECRET_TOKEN' })
  assert.equal(stdout, 'swordfish\n')
  assert.ok(!JSON.stringify(await platform.json('GET', path)).includes('swordfish'))
  await platform.call('DELETE', path)
})

test('list() pages newest first and filters by state and labels', async () => {
  const paths: string[] = []
  for (const team of ['a', 'b', 'a']) paths.push(await platform.sandbox({ metadata: { team, kind: 'listed' } }))
  const ids = paths.map((path) => path.split('/').at(-1)).reverse()
  const list = async (query: string) => {
    const page = await platform.json('GET', `/v1/sandboxes?metadata.kind=listed&${query}`)
    return { ids: page.sandboxes.map(({ id }: Answer) => id), nextCursor: page.nextCursor }
  }
  assert.deepEqual(await list(''), { ids, nextCursor: undefined })
  assert.deepEqual((await list('metadata.team=a&state=running')).ids, [ids[0], ids[2]])
  assert.deepEqual((await list('state=failed')).ids, [])
  const first = await list('limit=2')
  assert.deepEqual(first.ids, ids.slice(0, 2))
  assert.deepEqual(await list(`limit=2&cursor=${first.nextCursor}`), { ids: ids.slice(2), nextCursor: undefined })
  for (const query of ['limit=0', 'limit=x', 'state=dead', 'cursor=!', 'colour=red']) {
    assert.deepEqual(await codeOf(await platform.call('GET', `/v1/sandboxes?${query}`)), [400, 'invalid_request'])
  }
  for (const path of paths) await platform.call('DELETE', path)
})

test('of many that create at the same moment exactly as many succeed as there is room for', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => platform.call('POST', '/v1/sandboxes', {})))
  const counts = Map.groupBy(answers, ({ status }) => status)
  assert.deepEqual([counts.get(201)?.length, counts.get(429)?.length], [8, 4])
  assert.equal((await counts.get(429)![0]!.json()).code, 'limit_exceeded')
  const made: Answer[] = await Promise.all(counts.get(201)!.map((answer) => answer.json()))
  await Promise.all(made.map(({ id }) => platform.call('DELETE', `/v1/sandboxes/${id}`)))
})

test('a sandbox is stopped when its time is over', async () => {
  const path = await platform.sandbox({ timeout: 1 })
  assert.equal((await platform.call('GET', path)).status, 200)
  await until('it is gone', async () => (await platform.call('GET', path)).status === 404)
})

test('setTimeout() lets a sandbox live longer, or shorter', async () => {
  const longer = await platform.sandbox({ timeout: 1 })
  const changed = await platform.json('POST', `${longer}/timeout`, { timeout: 60 })
  assert.ok(Date.parse(changed.expiresAt) - Date.now() > 55_000)
  const shorter = await platform.sandbox({ timeout: 3600 })
  await platform.json('POST', `${shorter}/timeout`, { timeout: 1 })
  await until('the shorter is gone', async () => (await platform.call('GET', shorter)).status === 404)
  await sleep(200)
  assert.equal((await platform.call('GET', longer)).status, 200)
  await platform.call('DELETE', longer)
})

test('kill -9 -1 ends what runs inside and harms neither the sandbox nor its agent', async () => {
  const user = (await lacksOf(platform)).root ? 'user' : 'root'
  const path = await platform.sandbox()
  await platform.json('POST', `${path}/execute`, { command: 'kill -9 -1', user })
  assert.equal((await platform.json('POST', `${path}/execute`, { command: 'echo alive' })).stdout, 'alive\n')
  assert.equal((await platform.json('GET', path)).state, 'running')
  await platform.call('DELETE', path)
})

test('a sandbox whose first process is killed fails, says why, leaves nothing running, and can be deleted', async () => {
  const memoryMb = 387 // no other sandbox has this limit
  const path = await platform.sandbox({ limits: { memoryMb } })
  const seconds = String(Date.now()) // no other process on this host sleeps for so long
  await platform.json('POST', `${path}/processes`, { command: ['sleep', seconds] })
  process.kill(firstProcessWith(`"memoryMb":${memoryMb},`), 'SIGKILL')
  const failed = await until('it has failed', async () => {
    const sandbox = await platform.json('GET', path)
    return sandbox.state === 'failed' && sandbox
  })
  assert.equal(failed.endReason, 'agent_died')
  const refused = await platform.call('POST', `${path}/execute`, { command: 'true' })
  assert.deepEqual(
    [refused.status, (await refused.json()).details],
    [409, { state: 'failed', endReason: 'agent_died' }],
  )
  await until('its process is gone', () => !hasHostProcess(`sleep\0${seconds}`))
  assert.equal((await platform.call('DELETE', path)).status, 204)
  assert.equal((await platform.call('GET', path)).status, 404)
})

test('metrics() tells what a sandbox uses and may use', async () => {
  const path = await platform.sandbox({ limits: { memoryMb: 128, diskMb: 64 } })
  await platform.json('POST', `${path}/execute`, {
    command: 'head -c 5M /dev/zero > ~/zeros; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done',
  })
  const metrics = await platform.json('GET', `${path}/metrics`)
  assert.equal(metrics.memoryLimitBytes, 128 * 2 ** 20)
  assert.equal(metrics.diskLimitBytes, 64 * 2 ** 20)
  assert.ok(metrics.processes >= 1)
  if (metrics.cpuUsec !== undefined) assert.ok(metrics.cpuUsec > 0 && metrics.memoryBytes > 0)
  if (metrics.diskBytes !== undefined) assert.ok(metrics.diskBytes >= 5 * 2 ** 20)
  await platform.call('DELETE', path)
})

test('a caller that goes away while its sandbox starts leaves nothing behind', async () => {
  for (let delayMs = 0; delayMs < 30; delayMs += 2) {
    const create = platform.call(
      'POST',
      '/v1/sandboxes',
      { limits: { diskMb: 33 } },
      { signal: AbortSignal.timeout(delayMs) },
    )
    await create
      .then(async (response) => platform.call('DELETE', `/v1/sandboxes/${(await response.json()).id}`))
      .catch(() => {})
  }
  await until('no sandbox is left', async () => {
    const { sandboxes } = await platform.json('GET', '/v1/sandboxes')
    // The answer may have been lost after the sandbox was made: then it is one that runs, and its time ends it.
    for (const { id, state } of sandboxes) if (state === 'running') await platform.call('DELETE', `/v1/sandboxes/${id}`)
    return sandboxes.length === 0
  })
  await until('no keeper of it is left', () => keepersOf(platform.home) - held(platform.home).length <= poolSize)
})

test('a create beyond a quota leaves the sandboxes that wait as they were', async (t) => {
  const run = `${platform.home}/run`
  const waiting = () =>
    readdirSync(run)
      .filter((id) => read(`${run}/${id}/spec.json`).includes('"poolKey"') && !existsSync(`${run}/${id}/claimed`))
      .toSorted()
  await until('one waits', () => waiting().length > 0)
  await platform.json('PUT', '/v1/quotas', { quotas: { sandboxes: 0 } })
  t.after(() => platform.call('PUT', '/v1/quotas', { quotas: { sandboxes: null } }))
  const before = waiting()
  const input = { env: { OF: 'nobody' }, limits: { memoryMb: 256 } }
  const answers = await Promise.all(Array.from({ length: 10 }, () => platform.call('POST', '/v1/sandboxes', input)))
  for (const answer of answers) assert.deepEqual(await codeOf(answer), [429, 'limit_exceeded'])
  assert.deepEqual(
    before.filter((id) => !waiting().includes(id)),
    [],
  )

  await platform.json('PUT', '/v1/quotas', { quotas: { sandboxes: null } })
  const sandbox = await platform.json('POST', '/v1/sandboxes', {})
  const { stdout } = await platform.json('POST', `/v1/sandboxes/${sandbox.id}/execute`, { command: 'echo "[$OF]"' })
  assert.deepEqual([sandbox.warm, stdout, sandbox.limits.memoryMb], [true, '[]\n', 512])
})

test('runtimes() gives the verdict on every driver', async () => {
  const { runtimes } = await platform.json('GET', '/v1/runtimes')
  assert.ok(runtimes.length > 0)
  for (const { driver, reason, healthy } of runtimes) assert.ok(driver && reason && typeof healthy === 'boolean')
})

/** The process on this host whose command line begins like this. */
function hasHostProcess(commandLine: string): boolean {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.some((pid) => read(`/proc/${pid}/cmdline`).startsWith(commandLine))
}

function keepersOf(home: string): number {
  return processesOf(home).filter((pid) => read(`/proc/${pid}/cmdline`).includes('\0keep\0')).length
}

/** On the host: the guest agent of the sandbox with this limit, or under gVisor the kernel in which it runs. */
function firstProcessWith(limit: string): number {
  const run = `${platform.home}/run`
  const records = (id: string) => read(`${run}/${id}/spec.json`) + read(`${run}/${id}/claimed`)
  // Not one that is only prepared for the next request of this kind.
  const id = readdirSync(run).find((name) => records(name).includes(limit) && read(`${run}/${name}/state.json`) !== '')
  return JSON.parse(read(`${run}/${id}/state.json`)).pid
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // gone in the meantime
  }
}

test('what this host has no room for is refused with what there is', async () => {
  for (const limits of [{ diskMb: 16_777_216 }, { maxOpenFiles: 1_048_576 }]) {
    const response = await platform.call('POST', '/v1/sandboxes', { limits })
    const body = await response.json()
    if (response.ok) await platform.call('DELETE', `/v1/sandboxes/${body.id}`)
    else assert.deepEqual([response.status, body.code], [429, 'limit_exceeded'], body.message)
  }
})
