import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { processStat } from '../src/lib/process-stat.ts'
import { readRows, untilInOrder } from './crash/leftovers.ts'
import { initOf } from './crash/verbs.ts'
import { type Answer, processesOf, startPlatform, until } from './platform.ts'

const pool = 2
// Of gVisor the pool keeps fewer, and its processes are not those of the host.
const platform = await startPlatform({ WARREN_POOL_SIZE: String(pool) }, { hasTools: false })
const run = async (path: string) =>
  (await platform.json('POST', `${path}/execute`, { command: 'echo runs' })).stdout === 'runs\n'
const inOrder = () => untilInOrder(platform, { spare: pool })

async function sparesNow(): Promise<string[]> {
  const owned = new Set((await readRows(platform.home)).map(({ instance_id }) => instance_id))
  return readdirSync(`${platform.home}/run`).filter((id) => !owned.has(id))
}

test('a pool whose members are all dead, or all silent: sandboxes start all the same, and the pool is made anew', async () => {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    await inOrder()
    const poisoned = await sparesNow()
    assert.equal(poisoned.length, pool)
    for (const id of poisoned) process.kill(initOf(platform, id), signal)
    // A thread that runs is not stopped at once, and could still answer.
    if (signal === 'SIGSTOP')
      await until('they are silent', () => poisoned.every((id) => processStat(initOf(platform, id))?.state === 'T'))
    const paths = await Promise.all([platform.sandbox(), platform.sandbox(), platform.sandbox()])
    for (const path of paths) assert.ok(await run(path))
    await Promise.all(paths.map((path) => platform.call('DELETE', path)))
    await inOrder()
    assert.deepEqual(
      (await sparesNow()).filter((id) => poisoned.includes(id)),
      [],
    )
  }
})

test('creates that their callers give up at any moment leave nothing', async () => {
  await inOrder()
  const before = (await readRows(platform.home)).filter(({ ended_at }) => !ended_at).map(({ id }) => id)
  const given = await Promise.all(
    Array.from({ length: 24 }, async (_, index) => {
      const signal = AbortSignal.timeout(1 + 6 * index)
      const input = { limits: index % 2 ? { diskMb: 40 } : {}, env: { A: 'b' } }
      return platform.call('POST', '/v1/sandboxes', input, { signal }).then(
        (answer) => answer.json() as Promise<Answer>,
        () => undefined,
      )
    }),
  )
  const answered = given.filter((answer) => answer?.id)
  await inOrder()
  const expected = new Set([...before, ...answered.map(({ id }) => id)])
  const unexpected = async (): Promise<Answer[]> =>
    (await platform.json('GET', '/v1/sandboxes?limit=1000')).sandboxes.filter(({ id }: Answer) => !expected.has(id))
  // One that was ready when its caller left belongs to nobody who could delete it: it is taken back as well. Only where the answer
  // was on its way already nobody can know that it did not arrive.
  await until('at most one is there that was not answered', async () => (await unexpected()).length <= 1)
  for (const { id, state } of await unexpected()) {
    assert.equal(state, 'running')
    await platform.call('DELETE', `/v1/sandboxes/${id}`)
  }
  await Promise.all(answered.map(({ id }) => platform.call('DELETE', `/v1/sandboxes/${id}`)))
  await inOrder()
})

test('several deletes at once, and one while the sandbox starts: each is answered, nothing is left', async () => {
  const path = await platform.sandbox()
  const answers = await Promise.all(Array.from({ length: 5 }, () => platform.call('DELETE', path)))
  const statuses = answers.map(({ status }) => status).sort()
  assert.deepEqual(statuses, [204, 404, 404, 404, 404])

  const creating = platform.call('POST', '/v1/sandboxes', { limits: { diskMb: 42 } })
  const starting = await until('a row is there', async () =>
    (await readRows(platform.home)).find(({ state }) => state === 'starting' || state === 'running'),
  )
  const removed = await platform.call('DELETE', `/v1/sandboxes/${starting.id}`)
  const created = await creating
  assert.equal(removed.status, 204)
  assert.ok(created.status === 409 || created.status === 201, String(created.status))
  assert.equal((await platform.call('GET', `/v1/sandboxes/${starting.id}`)).status, 404)
  await inOrder()
})

test('a renewal that races the expiry: whoever is told yes keeps the sandbox, everybody else finds none', async () => {
  const raced = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const path = await platform.sandbox({ timeout: 1 })
      const { expiresAt } = await platform.json('GET', path).catch(() => ({ expiresAt: new Date().toISOString() }))
      await sleep(Math.max(0, Date.parse(expiresAt) - Date.now() - 20 + index))
      return { path, renewed: (await platform.call('POST', `${path}/timeout`, { timeout: 120 })).ok }
    }),
  )
  await sleep(1500)
  for (const { path, renewed } of raced) {
    if (renewed) assert.ok(await run(path), path)
    else await until('it is gone', async () => (await platform.call('GET', path)).status === 404)
    await platform.call('DELETE', path)
  }
  await inOrder()
})

test('a database that stands still: running sandboxes work on, and afterwards everything does', async () => {
  const path = await platform.sandbox()
  const postgres = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isPostgresOf(pid, platform.home))
  assert.ok(postgres.length > 1)
  for (const pid of postgres) process.kill(Number(pid), 'SIGSTOP')
  try {
    await sleep(1_100) // what is remembered of callers is old by then
    for (let turn = 0; turn < 5; turn++) assert.ok(await run(path))
  } finally {
    for (const pid of postgres) process.kill(Number(pid), 'SIGCONT')
  }
  assert.equal((await platform.json('GET', path)).state, 'running')
  await platform.call('DELETE', path)
  await inOrder()
})

test('too few file descriptors: errors with a code, the platform lives, and all is well afterwards', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to give the descriptors back')
  const stays = await platform.sandbox()
  // The soft limit alone: the hard one cannot be raised again.
  const limit = (files: number) => execFileSync('prlimit', [`--pid=${platform.pid}`, `--nofile=${files}:`])
  const usual = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${platform.pid}/limits`, 'utf8'))
  limit(readdirSync(`/proc/${platform.pid}/fd`).length + 12)
  const answers = await Promise.allSettled(
    Array.from({ length: 40 }, () => platform.call('POST', '/v1/sandboxes', { limits: { diskMb: 40 } })),
  )
  limit(Number(usual?.[1]))
  for (const answer of answers) {
    if (answer.status === 'rejected' || answer.value.status === 201) continue // no descriptor even for the connection
    assert.ok((await answer.value.json()).code, String(answer.value.status))
  }
  assert.ok(await run(stays))
  await until(
    'a sandbox starts again',
    async () => (await platform.call('POST', '/v1/sandboxes', {})).status === 201,
    30_000,
  )
  const { sandboxes } = await platform.json('GET', '/v1/sandboxes?limit=1000')
  await Promise.all(sandboxes.map(({ id }: Answer) => platform.call('DELETE', `/v1/sandboxes/${id}`)))
  await inOrder()
})

test('everything is killed at once, as when the host goes down: all sandboxes are told as lost, nothing is left', async () => {
  await inOrder()
  const paths = await Promise.all(Array.from({ length: 6 }, () => platform.sandbox()))
  await platform.kill('SIGKILL')
  for (let left = processesOf(platform.home); left.length > 0; left = processesOf(platform.home)) {
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {}
    }
    await sleep(50)
  }
  await platform.start()
  for (const path of paths) {
    const { state, endReason } = await platform.json('GET', path)
    assert.deepEqual([state, endReason], ['failed', 'lost'])
  }
  await inOrder()
  for (const path of paths) assert.equal((await platform.call('DELETE', path)).status, 204)
  await inOrder()
})

function isPostgresOf(pid: string, home: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === `${home}/postgres/data`
  } catch {
    return false // gone in the meantime
  }
}
