import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { appendFile, cp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import pg from 'pg'
import { type Answer, type Platform, startPlatform, until } from './platform.ts'

const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_MAX_SANDBOXES: '12',
  WARREN_ALLOW_UNCONFINED: 'yes',
})
const { runtimes } = await platform.json('GET', '/v1/runtimes')

/** The runtimes of this host by what their snapshots keep; each test runs on one that can, or says why none does. */
const withMemory = driverThat((capabilities) => capabilities.snapshot.keeps === 'memory')
const withFiles = driverThat((capabilities) => capabilities.snapshot.keeps === 'files')
const resident = driverThat((capabilities) => capabilities.pause.memory === 'resident')

function driverThat(can: (capabilities: Answer) => boolean): { driver: string; skip: string | false } {
  const isOrdinary = ({ healthy, isolation, reason }: Answer) =>
    healthy && isolation !== 'none' && !/emulated/.test(reason)
  const healthy = runtimes.filter(isOrdinary)
  const found = healthy.find(({ capabilities }: Answer) => can(capabilities))
  const reasons = runtimes.map(({ driver, reason }: Answer) => `${driver}: ${reason}`)
  return {
    driver: found?.driver ?? '',
    skip: found ? false : `no runtime of this host does that (${reasons.join('; ')})`,
  }
}

const on = (driver: string, more: object = {}) =>
  platform.sandbox({ isolation: { driver }, limits: { memoryMb: 256, diskMb: 64 }, ...more })
const run = async (path: string, command: string) => {
  const { stdout, stderr, exitCode } = await platform.json('POST', `${path}/execute`, { command })
  return exitCode === 0 ? stdout : `${stdout}${stderr}(${exitCode})`
}
/** Counts in memory on a loop; answers its count and pid on port 7000. */
const counter = `python3 -c "
import os, socket, threading, time
n = 0
def tick():
    global n
    while True: n += 1; time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', 7000)); s.listen()
while True:
    c, _ = s.accept(); c.sendall(f'HTTP/1.0 200 OK\\r\\n\\r\\n{n} {os.getpid()} {os.urandom(8).hex()}'.encode()); c.close()
"`
const startCounter = (path: string) => platform.json('POST', `${path}/processes`, { command: counter })
const count = (path: string) =>
  until('the counter answers', async () => {
    const reply = await platform.call('GET', `${path}/ports/7000/`)
    const match = /^(\d+) (\d+) (\w+)$/.exec(await reply.text())
    return reply.ok && match ? { count: Number(match[1]), pid: match[2], random: match[3] } : undefined
  })
const stateOf = async (path: string) => (await platform.json('GET', path)).state
const remove = (...paths: string[]) => Promise.all(paths.map((path) => platform.call('DELETE', path)))

/** Folders of instances that have begun; what is prepared for the next start has not. */
const instances = () => {
  const folder = join(platform.home, 'run')
  const begun = (id: string) => ['state.json', 'paused.json'].some((file) => existsSync(join(folder, id, file)))
  return readdirSync(folder).filter(begun)
}

async function events(of: Platform, subject: string): Promise<string[]> {
  const client = new pg.Client({ host: join(of.home, 'postgres', 'data'), user: 'warren', database: 'postgres' })
  await client.connect()
  try {
    const { rows } = await client.query('select type from events where subject = $1 order by seq', [subject])
    return rows.map(({ type }) => type)
  } finally {
    await client.end()
  }
}

for (const { driver, skip } of [withMemory, withFiles]) {
  test(`pause({ memory: false }) keeps the files alone, and resume() begins anew with them: ${driver}`, {
    skip,
  }, async () => {
    const path = await on(driver, { env: { KEPT: 'yes' } })
    const identity = 'cat /etc/machine-id; hostname'
    const asRoot = { command: 'echo 0123 > /etc/machine-id', user: 'root' }
    assert.equal((await platform.json('POST', `${path}/execute`, asRoot)).exitCode, 0)
    await startCounter(path)
    await count(path)
    const before = await run(path, identity)
    const boot = await run(path, 'cat /proc/sys/kernel/random/boot_id')
    await run(
      path,
      'echo kept > /home/user/kept; echo kept > /tmp/kept; mkdir -p /home/user/d; ln /home/user/kept /home/user/d/kept',
    )
    const { state, memory } = await platform.json('POST', `${path}/pause`, { memory: false, timeout: 600 })
    assert.deepEqual({ state, memory }, { state: 'paused', memory: 'none' })
    assert.equal((await platform.call('POST', `${path}/execute`, { command: 'true' })).status, 409)
    const folder = join(platform.home, 'run', instances()[0]!)
    assert.deepEqual(
      readdirSync(folder)
        .filter((name) => name !== 'claimed')
        .sort(),
      ['disk.img', 'paused.json', 'spec.json'],
    )

    await platform.kill('SIGKILL')
    await platform.start()
    assert.equal((await platform.json('GET', path)).memory, 'none')
    const resumed = await platform.json('POST', `${path}/resume`)
    assert.deepEqual([resumed.state, resumed.memory], ['running', undefined])
    assert.equal(
      await run(path, 'cat /home/user/kept /home/user/d/kept /tmp/kept; echo $KEPT'),
      'kept\nkept\nkept\nyes\n',
    )
    assert.equal(await run(path, identity), before, 'it is the same machine')
    assert.equal((await platform.call('GET', `${path}/ports/7000/`)).ok, false, 'nothing runs on')
    assert.notEqual(await run(path, 'cat /proc/sys/kernel/random/boot_id'), boot, 'it was started anew')
    await run(path, 'echo more > /home/user/kept')
    await platform.json('POST', `${path}/pause`, { memory: false })
    await platform.json('POST', `${path}/resume`)
    assert.equal(await run(path, 'cat /home/user/kept'), 'more\n')
    await remove(path)
    await until('nothing is left', () => instances().length === 0)
  })
}

test('pause({ memory: false }) is refused, with the reason, where the files are not its own; it goes on', async () => {
  const path = await platform.sandbox({ isolation: { driver: 'unconfined' } })
  const refused = await platform.call('POST', `${path}/pause`, { memory: false })
  const { code, message } = await refused.json()
  assert.deepEqual(
    [refused.status, code, /unconfined cannot be saved/.test(message)],
    [400, 'invalid_request', true],
    message,
  )
  assert.equal(await run(path, 'echo goes on'), 'goes on\n')
  await remove(path)
})

describe('with memory', { skip: withMemory.skip }, () => {
  const { driver } = withMemory

  test('pause() saves what runs to the disk, resume() lets it go on: process, pid, listener and files', async () => {
    const path = await on(driver, { env: { KEPT: 'yes' } })
    await startCounter(path)
    const before = await count(path)
    const identity = 'cat /proc/sys/kernel/random/boot_id; hostname'
    const same = await run(path, identity)
    await run(path, 'echo kept > /home/user/kept')
    const paused = await platform.json('POST', `${path}/pause`)
    assert.deepEqual({ state: paused.state, memory: paused.memory }, { state: 'paused', memory: 'saved' })
    const refused = await platform.call('POST', `${path}/execute`, { command: 'true' })
    const problem = await refused.json()
    assert.deepEqual([refused.status, problem.code], [409, 'conflict'])
    assert.match(`${problem.message} ${problem.hint}`, /resume/)
    for (const verb of ['pause', 'fork', 'snapshots', 'timeout'])
      assert.equal(
        (await platform.call('POST', `${path}/${verb}`, verb === 'timeout' ? { timeout: 9 } : {})).status,
        409,
        verb,
      )

    const resumed = await platform.json('POST', `${path}/resume`)
    assert.deepEqual({ state: resumed.state, memory: resumed.memory }, { state: 'running', memory: undefined })
    const after = await count(path)
    assert.equal(after.pid, before.pid)
    assert.ok(after.count >= before.count)
    assert.notEqual(after.random, before.random)
    assert.equal(await run(path, identity), same, 'it is the same machine, which has not booted')
    assert.ok(Math.abs(Number(await run(path, 'date +%s')) - Date.now() / 1000) < 30, "the clock is the host's")
    assert.equal(await run(path, 'cat /home/user/kept; echo $KEPT'), 'kept\nyes\n')
    assert.equal((await platform.json('POST', `${path}/resume`)).state, 'running')
    assert.deepEqual(await events(platform, path.split('/').at(-1)!), [
      'sandbox.created',
      'sandbox.paused',
      'sandbox.resumed',
    ])
    await remove(path)
  })

  test('a paused sandbox survives kill -9 of the platform, has a time of its own, and can be deleted', async () => {
    const [kept, deleted] = await Promise.all([on(driver), on(driver)])
    await startCounter(kept)
    const before = await count(kept)
    const [paused] = await Promise.all([
      platform.json('POST', `${kept}/pause`, { timeout: 600 }),
      platform.json('POST', `${deleted}/pause`),
    ])
    assert.ok(new Date(paused.expiresAt).getTime() - Date.now() > 500_000)
    await platform.kill('SIGKILL')
    await platform.start()
    assert.equal(await stateOf(kept), 'paused')
    assert.equal((await platform.call('DELETE', deleted)).status, 204)
    await platform.json('POST', `${kept}/resume`, { timeout: 60 })
    assert.equal((await count(kept)).pid, before.pid)
    await platform.json('POST', `${kept}/pause`, { timeout: 1 })
    await until('its time was over', async () => (await platform.call('GET', kept)).status === 404)
    await until('nothing is left', () => instances().length === 0)
  })

  test('kill -9 in the middle of pause, resume, fork and snapshot: nothing is lost and nothing is left', async () => {
    const path = await on(driver, { timeout: 600 })
    await startCounter(path)
    const { pid } = await count(path)
    const verbs = ['pause', 'resume', 'fork', 'snapshots', 'pause', 'resume', 'pause', 'resume']
    for (const [round, verb] of verbs.entries()) {
      const working = platform.call('POST', `${path}/${verb}`, {}).catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 30 + 90 * (round % 5)))
      await platform.kill('SIGKILL')
      await working
      await platform.start()
      const state = await until('it was settled', async () => {
        const found = await stateOf(path)
        return ['running', 'paused'].includes(found) && found
      })
      if (state === 'paused' && verbs[round + 1] !== 'resume') await platform.json('POST', `${path}/resume`)
      if (state === 'running') assert.equal((await count(path)).pid, pid)
    }
    if ((await stateOf(path)) === 'paused') await platform.json('POST', `${path}/resume`)
    assert.equal((await count(path)).pid, pid)
    const { sandboxes } = await platform.json('GET', '/v1/sandboxes')
    await remove(...sandboxes.map(({ id }: Answer) => `/v1/sandboxes/${id}`))
    for (const { id } of (await platform.json('GET', '/v1/snapshots')).snapshots)
      await platform.call('DELETE', `/v1/snapshots/${id}`)
    await until('nothing is left', () => instances().length === 0)
    assert.deepEqual(readdirSync(join(platform.home, 'snapshots')), [])
  })

  test('a saved memory that was cut off brings nothing back: the sandbox stays paused, and goes when it is deleted', async () => {
    const path = await on(driver)
    await platform.json('POST', `${path}/pause`)
    const pages = join(platform.home, 'run', instances()[0]!, 'saved', 'memory', 'pages.img')
    const whole = await readFile(pages)
    await truncate(pages, whole.length >> 1)
    const refused = await platform.call('POST', `${path}/resume`)
    const { message } = await refused.json()
    assert.deepEqual([refused.status, await stateOf(path)], [503, 'paused'], message)
    await writeFile(pages, whole)
    await platform.json('POST', `${path}/resume`)
    assert.equal(await run(path, 'echo here'), 'here\n')
    await platform.json('POST', `${path}/pause`)
    await truncate(join(platform.home, 'run', instances()[0]!, 'saved', 'memory', 'checkpoint.img'), 100)
    assert.equal((await platform.call('POST', `${path}/resume`)).status, 503)
    assert.equal((await platform.call('DELETE', path)).status, 204)
    await until('nothing is left', () => instances().length === 0)
  })

  test('fork() gives live copies that go on from one moment, each for itself, while the source goes on', async () => {
    const path = await on(driver, { env: { TOKEN: 'source' }, metadata: { team: 'blue' } })
    const asRoot = { command: 'echo 0123 > /etc/machine-id', user: 'root' }
    assert.equal((await platform.json('POST', `${path}/execute`, asRoot)).exitCode, 0)
    await startCounter(path)
    const boot = await run(path, 'cat /proc/sys/kernel/random/boot_id')
    const before = await count(path)
    const { sandboxes } = await platform.json('POST', `${path}/fork`, {
      count: 3,
      env: { TOKEN: 'copy' },
      timeout: 100,
    })
    assert.equal(sandboxes.length, 3)
    const copies = sandboxes.map(({ id }: Answer) => `/v1/sandboxes/${id}`)
    assert.deepEqual(
      sandboxes.map(({ metadata }: Answer) => metadata),
      Array(3).fill({ team: 'blue' }),
    )
    const answers = await Promise.all([path, ...copies].map(count))
    assert.deepEqual(new Set(answers.map(({ pid }) => pid)), new Set([before.pid]))
    for (const answer of answers) assert.ok(answer.count >= before.count)
    assert.equal(new Set(answers.map(({ random }) => random)).size, 4)
    assert.equal(await run(copies[0], 'echo $TOKEN; echo mine > /home/user/mine'), 'copy\n')
    assert.equal(await run(path, 'echo $TOKEN; ls /home/user'), 'source\n')
    const machines = await Promise.all([path, ...copies].map((copy) => run(copy, 'cat /etc/machine-id')))
    assert.equal(machines[0], '0123\n')
    assert.equal(new Set(machines).size, 4)
    const clocks = await Promise.all(copies.map((copy: string) => run(copy, 'date +%s; hostname')))
    for (const [seconds, name] of clocks.map((said) => said.split('\n'))) {
      assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 30, "the clock is the host's")
      assert.equal(name, 'sandbox')
    }
    const bootOf = (copy: string) => run(copy, 'cat /proc/sys/kernel/random/boot_id')
    const boots = [boot, ...(await Promise.all(copies.map(bootOf)))]
    assert.equal(new Set(boots).size, 4, 'no copy says that it is the boot of another')
    assert.equal(await bootOf(path), boot)
    const usages = await Promise.all(copies.map((copy: string) => platform.json('GET', `${copy}/metrics`)))
    for (const { cpuUsec, memoryBytes } of usages) assert.ok(cpuUsec > 0 && memoryBytes > 0)
    await remove(path)
    assert.equal((await count(copies[1])).pid, before.pid, 'the copies outlive their source')
    const clone = await platform.json('POST', `${copies[1]}/clone`, { metadata: {} })
    assert.equal((await count(`/v1/sandboxes/${clone.id}`)).pid, before.pid)
    assert.deepEqual((await events(platform, path.split('/').at(-1)!)).slice(0, 2), [
      'sandbox.created',
      'sandbox.forked',
    ])
    await remove(...copies, `/v1/sandboxes/${clone.id}`)
  })

  test('fork() beyond the limit of sandboxes starts nothing', async () => {
    const path = await on(driver)
    const refused = await platform.call('POST', `${path}/fork`, { count: 20 })
    assert.deepEqual([refused.status, (await refused.json()).code], [429, 'limit_exceeded'])
    assert.equal((await platform.json('GET', '/v1/sandboxes')).sandboxes.length, 1)
    await remove(path)
  })

  test('a snapshot outlives its source, and sandboxes created from it go on from there', async () => {
    const path = await on(driver)
    await startCounter(path)
    const before = await count(path)
    const snapshot = await platform.json('POST', `${path}/snapshots`, { name: 'counting' })
    assert.deepEqual([snapshot.keeps, snapshot.name, snapshot.sandbox], ['memory', 'counting', path.split('/').at(-1)])
    assert.ok(snapshot.sizeBytes > 1_000_000)
    await remove(path)
    assert.deepEqual(await platform.json('GET', `/v1/snapshots/${snapshot.id}`), snapshot)
    assert.deepEqual((await platform.json('GET', '/v1/snapshots?name=counting')).snapshots, [snapshot])
    assert.deepEqual((await platform.json('GET', '/v1/snapshots?name=other')).snapshots, [])
    const copy = await platform.sandbox({ snapshot: snapshot.id, env: { NAME: 'copy' } })
    assert.equal((await count(copy)).pid, before.pid)
    assert.equal(await run(copy, 'echo $NAME'), 'copy\n')
    const refused = await platform.call('POST', '/v1/sandboxes', { snapshot: snapshot.id, limits: { diskMb: 100 } })
    assert.equal(refused.status, 400)

    await platform.kill('SIGKILL')
    await platform.start()
    assert.equal((await platform.call('DELETE', `/v1/snapshots/${snapshot.id}`)).status, 204)
    assert.equal((await platform.call('DELETE', `/v1/snapshots/${snapshot.id}`)).status, 404)
    assert.equal((await platform.call('POST', '/v1/sandboxes', { snapshot: snapshot.id })).status, 404)
    assert.deepEqual(await events(platform, snapshot.id), ['snapshot.created', 'snapshot.deleted'])
    assert.equal((await count(copy)).pid, before.pid)
    await remove(copy)
  })

  test('export() and import() carry a snapshot over; what was cut off, changed or made elsewhere is refused', async () => {
    const path = await on(driver)
    await startCounter(path)
    const { pid } = await count(path)
    const { id } = await platform.json('POST', `${path}/snapshots`)
    const file = Buffer.from(await (await platform.call('GET', `/v1/snapshots/${id}/export`)).arrayBuffer())
    await remove(path)
    const bring = (body: Uint8Array) =>
      platform.call('POST', '/v1/snapshots/import?name=back', body, {
        headers: { 'content-type': 'application/octet-stream' },
      })
    const imported = await (await bring(file)).json()
    assert.equal(imported.name, 'back')
    const copy = await platform.sandbox({ snapshot: imported.id })
    assert.equal((await count(copy)).pid, pid)
    await remove(copy)

    const changed = Buffer.from(file)
    changed[changed.length >> 1]! ^= 0xff
    for (const forged of [file.subarray(0, file.length >> 1), changed, Buffer.from('nonsense'), file.subarray(100)]) {
      const refused = await bring(forged)
      assert.deepEqual([refused.status, (await refused.json()).code], [400, 'invalid_request'])
    }
    await platform.call('DELETE', `/v1/snapshots/${imported.id}`)
    const folder = join(platform.home, 'snapshots', id)
    assert.deepEqual(readdirSync(join(platform.home, 'snapshots')), [id], 'what was refused left nothing')

    const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'))
    const create = async () => {
      const refused = await platform.call('POST', '/v1/sandboxes', { snapshot: id })
      assert.equal(refused.status, 400)
      return (await refused.json()).message
    }
    const withManifest = (change: object) =>
      writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, ...change }))
    await withManifest({ format: 2 })
    assert.match(await create(), /format is 2/)
    await withManifest({ runtime: 'runsc version 1' })
    assert.match(await create(), /saved by runsc version 1/)
    await withManifest({ skeleton: 'base-0' })
    assert.match(await create(), /base-0/)
    await withManifest({ readOnly: ['/usr', '/root'] })
    assert.match(await create(), /\/root/)
    await withManifest({ agent: '0'.repeat(64) })
    assert.match(await create(), /guest agent/)
    await withManifest({ extra: 1 })
    assert.match(await create(), /manifest/)
    await withManifest({})
    await cp(folder, `${folder}.kept`, { recursive: true })
    await truncate(join(folder, 'memory', 'pages.img'), 1000)
    assert.match(await create(), /pages\.img holds 1000 bytes/)
    await cp(join(`${folder}.kept`, 'memory', 'pages.img'), join(folder, 'memory', 'pages.img'))
    await appendFile(join(folder, 'memory', 'checkpoint.img'), 'x')
    assert.match(await create(), /checkpoint\.img/)
    await rm(`${folder}.kept`, { recursive: true })
    await platform.call('DELETE', `/v1/snapshots/${id}`)
    assert.deepEqual((await platform.json('GET', '/v1/sandboxes')).sandboxes, [])
  })
})

describe('with files alone', { skip: withFiles.skip }, () => {
  const { driver } = withFiles

  test('a snapshot begins a new sandbox with its files; a fork is refused with the reason', async () => {
    const path = await on(driver)
    await run(path, 'echo kept > /home/user/kept')
    const snapshot = await platform.json('POST', `${path}/snapshots`)
    assert.equal(snapshot.keeps, 'files')
    const copy = await platform.sandbox({ snapshot: snapshot.id })
    assert.equal(await run(copy, 'cat /home/user/kept; echo more >> /home/user/kept'), 'kept\n')
    const refused = await platform.call('POST', `${path}/fork`)
    const { message } = await refused.json()
    assert.deepEqual([refused.status, /files alone/.test(message)], [400, true], message)
    // What saves programs of the host's kernel, or would.
    if (driver === 'oci/runc') assert.match(message, /CRIU/)
    assert.equal(await run(path, 'cat /home/user/kept'), 'kept\n')
    await remove(path, copy)
    await platform.call('DELETE', `/v1/snapshots/${snapshot.id}`)
  })
})

describe('frozen', { skip: resident.skip }, () => {
  const { driver } = resident

  test('pause() freezes and says that memory is resident; it stays so over kill -9; one that dies fails', async () => {
    const path = await on(driver)
    await run(path, 'echo here > /tmp/here')
    assert.equal((await platform.json('POST', `${path}/pause`)).memory, 'resident')
    await platform.kill('SIGKILL')
    await platform.start()
    assert.equal(await stateOf(path), 'paused')
    assert.equal((await platform.json('POST', `${path}/resume`)).state, 'running')
    assert.equal(await run(path, 'cat /tmp/here'), 'here\n')
    await platform.json('POST', `${path}/pause`)
    assert.equal((await platform.call('DELETE', path)).status, 204)
    await until('nothing is left', () => instances().length === 0)
  })
})
