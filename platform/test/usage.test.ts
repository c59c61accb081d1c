import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, lacksOf, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)

test('what a sandbox used is there as facts soon after it ended, its processor time as the host counted it', async () => {
  const path = await platform.sandbox({ limits: { memoryMb: 256 } })
  const id = path.split('/').at(-1)!
  await spin(path, 600)
  const { cpuUsec } = await platform.json('GET', `${path}/metrics`)
  const began = Date.parse((await platform.json('GET', path)).createdAt)
  await platform.call('DELETE', path)
  const longest = Date.now() - began
  const used = await factsOf(id, 1)
  assert.equal(used.memoryMbMs, 256 * used.durationMs)
  assert.ok(used.durationMs >= 600 && used.durationMs <= longest, `${used.durationMs} of ${longest} ms`)
  if (!lacks.memoryLimit) {
    assert.ok(used.cpuMs <= cpuUsec / 1000 + 1000, `${used.cpuMs} of ${cpuUsec / 1000} ms`)
    assert.ok(used.cpuMs >= 500, `${used.cpuMs} ms`)
    // A runtime's own part is charged to it too.
    const heldMb = used.memoryHeldMbMs / used.durationMs
    assert.ok(heldMb > 0.5 && heldMb < 400, `${heldMb} MiB`)
  }
})

test('while one is paused its memory and processor cost nothing, its disk does', async (t) => {
  const path = await platform.sandbox()
  const id = path.split('/').at(-1)!
  const paused = await platform.call('POST', `${path}/pause`)
  if (!paused.ok) {
    await platform.call('DELETE', path)
    return t.skip(`it cannot be paused here: ${(await paused.json()).message}`)
  }
  const { memory } = await paused.json()
  await sleep(300)
  await platform.json('POST', `${path}/resume`)
  await platform.call('DELETE', path)
  await factsOf(id, 3)
  const { groups } = await platform.json('GET', '/v1/usage?group=state')
  const still = groups.find(({ key }: Answer) => key === (memory === 'resident' ? 'resident' : 'stored'))
  assert.ok(still.durationMs >= 300)
  assert.equal(still.cpuMs, 0)
  assert.ok(still.diskMbMs > 0)
  assert.equal(still.memoryMbMs > 0, memory === 'resident')
  if (!lacks.memoryLimit) assert.equal(still.memoryHeldMbMs > 0, memory === 'resident')
})

test('a platform that is killed loses nothing of what its sandboxes use, and tells nothing twice', async () => {
  const path = await platform.sandbox()
  const id = path.split('/').at(-1)!
  const began = Date.parse((await platform.json('GET', path)).createdAt)
  for (let crash = 0; crash < 3; crash++) {
    await platform.kill('SIGKILL')
    await platform.start()
  }
  await spin(path, 300)
  await platform.call('DELETE', path)
  const longest = Date.now() - began
  const used = await factsOf(id, 1)
  assert.ok(used.durationMs > 300 && used.durationMs <= longest, `${used.durationMs} of ${longest} ms`)
  if (lacks.memoryLimit) return
  assert.ok(used.cpuMs >= 250, `${used.cpuMs} ms`)
  assert.ok(used.memoryHeldMbMs > 0.5 * used.durationMs, JSON.stringify(used))
})

test('top has the running ones, and usage refuses what is no time', async () => {
  const path = await platform.sandbox()
  const { sandboxes } = await platform.json('GET', '/v1/top')
  assert.deepEqual(
    sandboxes.map(({ id }: Answer) => id),
    [path.split('/').at(-1)],
  )
  assert.equal(sandboxes[0].memoryLimitBytes > 0, true)
  await platform.call('DELETE', path)
  for (const query of ['from=yesterday', 'group=colour', 'from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', 'x=1'])
    assert.equal((await platform.call('GET', `/v1/usage?${query}`)).status, 400, query)
  const before = await platform.json('GET', '/v1/usage?to=2026-01-01T00:00:00Z')
  assert.equal(before.total.facts, 0)
})

/** Its facts put together, once there are so many. */
function factsOf(id: string, facts: number): Promise<Answer> {
  return until(`${facts} facts of ${id}`, async () => {
    const { groups } = await platform.json('GET', '/v1/usage?group=subject')
    return groups.find((group: Answer) => group.key === id && group.facts === facts)
  })
}

/** Keeps a processor busy until the host has counted so much more, however long a busy host takes for that. */
async function spin(path: string, ms: number): Promise<void> {
  const cpuUsec = async () => (await platform.json('GET', `${path}/metrics`)).cpuUsec ?? Number.POSITIVE_INFINITY
  const before = lacks.memoryLimit ? 0 : await cpuUsec()
  const { id } = await platform.json('POST', `${path}/processes`, { command: 'while :; do :; done' })
  await sleep(ms)
  await until('the host has counted it', async () => (await cpuUsec()) >= before + ms * 1000)
  await platform.json('POST', `${path}/processes/${id}/signal`, { signal: 'SIGKILL' })
}
