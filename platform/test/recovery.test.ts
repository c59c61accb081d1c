import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { findByArguments, treeOf } from '../src/engine/host/processes.ts'
import { eventsOf } from './events.ts'
import { type Answer, held, processesOf, type Reply, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const byId = async (path: string): Promise<Answer> => platform.json('GET', path)

test('kill -9 of the platform: sandboxes, their processes, streams and timers go on after a new start', async () => {
  const short = await platform.sandbox({ timeout: 20 })
  const paths = await Promise.all(
    Array.from({ length: 5 }, (_, index) => platform.sandbox({ metadata: { index: String(index) } })),
  )
  const before = await Promise.all(paths.map(byId))
  const counting = await platform.json('POST', `${paths[0]}/processes`, {
    command: 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; sleep 0.01; done',
  })
  await platform.json('PUT', `${paths[1]}/files?path=/home/user/kept`, 'kept')
  const read = { text: '' }
  const first = platform
    .call('GET', `${paths[0]}/processes/${counting.id}/output`)
    .then((response) => readInto(response, read))
    .catch(() => {}) // it breaks off with the platform
  await until('some lines were read', () => read.text.length > 500)
  await platform.json('POST', `${short}/timeout`, { timeout: 4 })

  await platform.kill('SIGKILL')
  await first
  await platform.start()

  assert.deepEqual(
    await Promise.all(paths.map(byId)),
    before.map((sandbox) => ({ ...sandbox, ports: portsOf(sandbox) })),
  )
  for (const path of paths) {
    assert.equal((await platform.json('POST', `${path}/execute`, { command: 'echo back' })).stdout, 'back\n')
  }
  assert.equal(await (await platform.call('GET', `${paths[1]}/files?path=/home/user/kept`)).text(), 'kept')

  // The stream goes on at the very byte at which it broke off.
  const offset = Buffer.byteLength(read.text)
  const rest = await platform.call('GET', `${paths[0]}/processes/${counting.id}/output?stdoutOffset=${offset}`)
  await readInto(rest, read, () => read.text.includes('line 400\n'))
  const lines = read.text.trimEnd().split('\n').slice(0, -1)
  assert.deepEqual(
    lines,
    lines.map((_, index) => `line ${index + 1}`),
  )

  await until('the timer was armed again', async () => (await platform.call('GET', short)).status === 404, 20_000)
  await Promise.all(paths.map((path) => platform.call('DELETE', path)))
})

test('kill -9 in the middle of starting and stopping: what is listed afterwards can be deleted, and nothing else is left', async () => {
  for (let round = 0; round < 3; round++) {
    const stopping = await Promise.all([platform.sandbox(), platform.sandbox()])
    const work = [
      ...stopping.map((path) => platform.call('DELETE', path)),
      ...Array.from({ length: 4 }, () => platform.call('POST', '/v1/sandboxes', { limits: { diskMb: 40 } })),
    ]
    const settled = Promise.allSettled(work)
    await new Promise((resolve) => setTimeout(resolve, 5 + 25 * round))
    await platform.kill('SIGKILL')
    await settled
    await platform.start()
    const { sandboxes } = await platform.json('GET', '/v1/sandboxes')
    for (const { state, endReason } of sandboxes) {
      assert.ok(state === 'running' || state === 'failed' || state === 'stopping', `${state} ${endReason}`)
    }
    await until('all could be deleted', async () => {
      const left = (await platform.json('GET', '/v1/sandboxes')).sandboxes
      await Promise.all(left.map(({ id }: Answer) => platform.call('DELETE', `/v1/sandboxes/${id}`)))
      return left.length === 0
    })
  }
})

test('a sandbox that died while the platform was down is told as lost', async () => {
  const path = await platform.sandbox()
  const keepersBefore = processesOf(platform.home)
  await platform.kill('SIGKILL')
  // Everything of the sandboxes is killed; the database, which is ours as well, goes down with them and is started anew.
  for (const pid of keepersBefore.filter((pid) => pid !== platform.pid)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {}
  }
  await platform.start()
  const { state, endReason } = await byId(path)
  assert.deepEqual([state, endReason], ['failed', 'lost'])
  const refused = await platform.call('POST', `${path}/execute`, { command: 'true' })
  assert.deepEqual([refused.status, (await refused.json()).message.includes('failed (lost)')], [409, true])
  assert.equal((await platform.call('DELETE', path)).status, 204)
})

test('limits that a ready sandbox was claimed with are known after a new start', async () => {
  const path = await platform.sandbox({ limits: { memoryMb: 128 } })
  const before = (await platform.json('GET', `${path}/metrics`)).memoryLimitBytes
  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal((await platform.json('GET', `${path}/metrics`)).memoryLimitBytes, before)
  await platform.call('DELETE', path)
})

test('kill -9 of our PostgreSQL: it is told, and it comes back', async () => {
  const path = await platform.sandbox()
  const postmaster = Number(readFileSync(join(platform.home, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])
  process.kill(postmaster, 'SIGKILL')
  const refused = await platform.call('GET', path)
  if (!refused.ok) assert.deepEqual([refused.status, (await refused.json()).code], [503, 'unavailable'])
  assert.equal((await platform.json('POST', `${path}/execute`, { command: 'echo on' })).stdout, 'on\n')
  await until('it answers again', async () => (await platform.fetch('/health')).status === 200, 20_000)
  assert.equal((await platform.json('GET', path)).state, 'running')
  await platform.call('DELETE', path)
})

for (const isolation of [{}, { driver: 'namespaces' }]) {
  const of = isolation.driver ? `, ${isolation.driver}` : ''
  test(`what was prepared for the next start is used by it, and is gone after a kill -9${of}`, async (t) => {
    const limits = { diskMb: 41 }
    const made = await platform.call('POST', '/v1/sandboxes', { limits, isolation })
    if (made.status === 503) return t.skip((await made.json()).message)
    const first = `/v1/sandboxes/${(await made.json()).id}`
    await until('the next one is prepared', () => held(platform.home).length === 1)
    await sleep(300) // its keeper is there a moment before it says so
    const [prepared] = held(platform.home)
    const second = await platform.sandbox({ limits, isolation })
    assert.equal(existsSync(join(prepared!, 'state.json')), true, 'the prepared one was not started')
    await until('another one is prepared', () => held(platform.home).length === 1)
    const keepers = await findByArguments(['keep', '--dir', held(platform.home)[0]!, '--hold'])
    const waiting = (await Promise.all(keepers.map(treeOf))).flat()

    await platform.kill('SIGKILL')
    await until('its keeper is gone', () => held(platform.home).length === 0)
    await until('so is what it had started', () => !waiting.some((pid) => existsSync(`/proc/${pid}`)))
    await platform.start()
    for (const path of [first, second]) {
      assert.equal((await platform.json('POST', `${path}/execute`, { command: 'echo on' })).stdout, 'on\n')
      await platform.call('DELETE', path)
    }
  })
}

test('when everything is deleted and the platform has stopped, no process of it is left', async () => {
  const path = await platform.sandbox()
  await platform.json('POST', `${path}/processes`, { command: 'sleep 1000' })
  await platform.call('DELETE', path)
  assert.deepEqual((await platform.json('GET', '/v1/sandboxes')).sandboxes, [])
})

/** The port of the platform is another one after a new start. */
function portsOf({ id }: Answer): object {
  return {
    urlTemplate: `http://{port}-${id}.localhost:${platform.port}/`,
    pathTemplate: `/v1/sandboxes/${id}/ports/{port}/`,
  }
}

async function readInto(response: Reply, into: { text: string }, enough: () => boolean = () => false): Promise<void> {
  for await (const { event, data } of eventsOf(response)) {
    if (event === 'stdout') into.text += data.data
    if (enough()) return
  }
}
