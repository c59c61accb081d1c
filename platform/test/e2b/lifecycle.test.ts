import assert from 'node:assert/strict'
import http from 'node:http'
import type { Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Platform, startPlatform, until } from '../platform.ts'
import { calls } from './calls.ts'

/** On the strongest runtime of this host, and on what there is without gVisor, where memory stays resident. */
const platforms = [await startPlatform(), await startPlatform({}, { hasTools: false })]
const generations = { 'e2b 2.51': () => import('e2b'), 'e2b 2.45': () => import('e2b-2-45') }
const proven = new Set<string>()
/** Of files: it goes where they go. */
const metadata = { label: 'kept' }
// All of it before the first test: while there is none, the runner takes the file to be at its end.
const runtimes = await Promise.all(platforms.map(runtimeOf))
const [first] = runtimes as [Awaited<ReturnType<typeof runtimeOf>>]
const noPause = first.pause.absent ? `a sandbox of ${first.driver} cannot be paused: ${first.pause.absent}` : false
const noFork = first.snapshot.keeps === 'memory' ? false : `snapshots of ${first.driver} keep no memory`

for (const [at, platform] of platforms.entries()) {
  const runtime = runtimes[at]!
  for (const [generation, load] of Object.entries(generations)) {
    const isNew = at === 0 || (runtime.driver !== first.driver && generation === 'e2b 2.51')
    if (isNew) describe(`${generation} on ${runtime.driver}`, () => prove(platform, load, runtime))
  }
}

test('every call about pauses, forks and snapshots that is said to work has been run', () => {
  const named = calls.filter(({ provenBy, status }) => provenBy === 'lifecycle.test.ts' && status !== 'absent')
  assert.deepEqual(
    named.map(({ name }) => name).filter((name) => !proven.has(name)),
    [],
  )
})

async function runtimeOf(platform: Platform): Promise<{ driver: string; pause: Answer; snapshot: Answer }> {
  const path = await platform.sandbox()
  const { runtime } = await platform.json('GET', path)
  await platform.call('DELETE', path)
  const { runtimes } = await platform.json('GET', '/v1/runtimes')
  const { capabilities } = runtimes.find(({ driver }: Answer) => driver === runtime.driver)
  return { driver: runtime.driver, ...capabilities }
}

function prove(
  platform: Platform,
  load: () => Promise<Answer>,
  { driver, pause, snapshot }: Awaited<ReturnType<typeof runtimeOf>>,
): void {
  const options = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url }
  const made: Answer[] = []
  after(() => Promise.all(made.map((sandbox) => sandbox.kill())))
  const cannotPause = pause.absent ? `a sandbox of ${driver} cannot be paused: ${pause.absent}` : false
  const keepsFiles = snapshot.absent ? `a sandbox of ${driver} cannot keep its files: ${snapshot.absent}` : false
  const cannotFork = snapshot.keeps === 'memory' ? false : `snapshots of ${driver} keep no memory`

  const proof = (
    names: string[],
    sentence: string,
    skip: string | false,
    run: (sandbox: Answer, client: Answer) => Promise<void>,
  ) => {
    for (const name of names) {
      assert.ok(
        calls.some((call) => call.name === name && call.provenBy === 'lifecycle.test.ts'),
        `${name} is in the table`,
      )
      proven.add(name)
    }
    test(`${names.join(', ')}: ${sentence}`, { skip }, async () => {
      const client = await load()
      await run(await create(client), client)
    })
  }
  const create = async (client: Answer, more: object = {}) => {
    const sandbox = await client.Sandbox.create({ ...options, ...more })
    made.push(sandbox)
    return sandbox
  }
  const serve = async (sandbox: Answer, port = 8000) => {
    const server = `mkdir -p /tmp/www && cd /tmp/www && echo served > index.html && exec python3 -m http.server ${port}`
    await sandbox.commands.run(server, { background: true })
    const { trafficAccessToken: token } = sandbox
    const headers: Record<string, string> = token ? { 'e2b-traffic-access-token': token } : {}
    await until('it listens', async () => (await get(platform, sandbox.getHost(port), headers)).status === 200)
  }

  proof(
    ['sandbox.pause'],
    'what runs stands still, and goes on when somebody connects',
    cannotPause,
    async (sandbox, client) => {
      const { startedAt } = await sandbox.getInfo()
      await serve(sandbox)
      const process = await sandbox.commands.run('sleep 3600', { background: true })
      await sandbox.commands.run('sleep 2 && echo done > /home/user/later', { background: true })
      await sandbox.files.write('kept.txt', 'kept', { metadata })
      const boot = await sandbox.files.read('/proc/sys/kernel/random/boot_id')
      const broken = assert.rejects(sandbox.commands.run('sleep 60'), (error: Error) => error.name === 'TimeoutError')

      await until('it runs', async () =>
        (await sandbox.commands.list()).some(({ args }: Answer) => args.includes('sleep 60')),
      )
      const before = Date.now()
      await sandbox.pause()
      await broken
      assert.equal(await sandbox.isRunning(), false)
      assert.equal((await get(platform, sandbox.getHost(8000))).status, 502)
      const paused = await sandbox.getInfo()
      assert.equal(paused.state, 'paused')
      assert.deepEqual(paused.startedAt, startedAt)
      assert.ok(
        paused.endAt.getTime() >= before - 1000 && paused.endAt.getTime() <= Date.now(),
        'it ended with the pause',
      )
      assert.equal(await client.Sandbox.pause(sandbox.sandboxId, options), false, 'it is paused already')
      assert.deepEqual(await states(client, sandbox), ['paused'])
      await assert.rejects(sandbox.setTimeout(1000), /409/)

      const again = await client.Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: 120_000 })
      assert.equal(await again.isRunning(), true)
      const resumed = await again.getInfo()
      assert.ok(
        Math.abs(resumed.endAt.getTime() - Date.now() - 120_000) < 10_000,
        'its time is the one that was asked for',
      )
      assert.deepEqual(resumed.startedAt, startedAt)
      assert.ok(
        (await sandbox.commands.list()).some(({ pid }: Answer) => pid === process.pid),
        'the token is the same',
      )
      const handle = await sandbox.commands.connect(process.pid)
      assert.equal(handle.pid, process.pid)
      assert.equal((await get(platform, sandbox.getHost(8000))).body, 'served\n')
      assert.equal(await sandbox.files.read('kept.txt'), 'kept')
      assert.deepEqual((await sandbox.files.getInfo('kept.txt')).metadata, metadata)
      assert.equal(await sandbox.files.read('/proc/sys/kernel/random/boot_id'), boot, 'it is the same boot')
      await until('the timer ends', () => sandbox.files.exists('later'))
      assert.deepEqual(await states(client, sandbox), ['running'])
    },
  )

  proof(['pause with keepMemory: false'], 'begins anew with its files', keepsFiles, async (sandbox, client) => {
    await sandbox.files.write('kept.txt', 'kept', { metadata })
    const boot = await sandbox.files.read('/proc/sys/kernel/random/boot_id')
    await sandbox.commands.run('sleep 3600', { background: true })
    await sandbox.pause({ keepMemory: false })
    assert.equal(await sandbox.isRunning(), false)
    const again = await client.Sandbox.connect(sandbox.sandboxId, options)
    assert.equal(await again.files.read('kept.txt'), 'kept')
    assert.deepEqual((await again.files.getInfo('kept.txt')).metadata, metadata)
    assert.deepEqual(await again.commands.list(), [])
    assert.notEqual(await sandbox.files.read('/proc/sys/kernel/random/boot_id'), boot)
    assert.notEqual((await again.commands.run('cat /proc/sys/kernel/random/boot_id')).stdout, boot)
  })

  proof(['lifecycle.onTimeout'], 'pauses when the time is over', cannotPause, async (_, client) => {
    const sandbox = await create(client, { lifecycle: { onTimeout: 'pause' }, timeoutMs: 300_000 })
    assert.deepEqual((await sandbox.getInfo()).lifecycle, { onTimeout: 'pause', autoResume: false })
    const { pid } = await sandbox.commands.run('sleep 3600', { background: true })
    await sandbox.setTimeout(1000)
    await until('it is paused', async () => (await sandbox.getInfo()).state === 'paused')
    assert.equal(await sandbox.isRunning(), false)
    assert.equal((await get(platform, sandbox.getHost(8000))).status, 502, 'nothing wakes it')
    await client.Sandbox.connect(sandbox.sandboxId, options)
    assert.ok((await sandbox.commands.list()).some((found: Answer) => found.pid === pid))
    await sandbox.setTimeout(0)
    assert.equal((await sandbox.getInfo()).state, 'paused', 'at once')
    assert.equal(await sandbox.kill(), true, 'also while it is paused')
    assert.equal(await sandbox.kill(), false)
  })

  proof(['lifecycle.autoResume'], 'is woken by what comes in', cannotPause, async (_, client) => {
    const lifecycle = { onTimeout: 'pause', autoResume: true }
    const sandbox = await create(client, { lifecycle, timeoutMs: 300_000 })
    const hidden = await create(client, { lifecycle, network: { allowPublicTraffic: false } })
    await Promise.all([serve(sandbox), serve(hidden)])
    const { pid } = await sandbox.commands.run('sleep 3600', { background: true })
    await Promise.all([sandbox.pause(), hidden.pause()])
    assert.equal(await sandbox.isRunning(), false, 'asking does not wake it')
    const envd = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '49983' }
    const unknown = await platform.fetch('/process.Process/List', { method: 'POST', headers: envd })
    assert.equal(unknown.status, 403)
    assert.equal((await get(platform, hidden.getHost(8000))).status, 403)
    assert.deepEqual([(await sandbox.getInfo()).state, (await hidden.getInfo()).state], ['paused', 'paused'])

    const answers = await Promise.all([1, 2, 3].map(() => get(platform, sandbox.getHost(8000))))
    assert.deepEqual(
      answers.map(({ body }) => body),
      ['served\n', 'served\n', 'served\n'],
    )
    const { state, endAt } = await sandbox.getInfo()
    assert.equal(state, 'running')
    assert.ok(endAt.getTime() - Date.now() > 280_000, 'it has its time again')
    await sandbox.pause()
    assert.ok(
      (await sandbox.commands.list()).some((found: Answer) => found.pid === pid),
      'a call of the client wakes it',
    )
    const token = { 'e2b-traffic-access-token': hidden.trafficAccessToken }
    assert.equal((await get(platform, hidden.getHost(8000), token)).status !== 403, true)
    assert.equal((await hidden.getInfo()).state, 'running')
  })

  proof(['sandbox.fork'], 'copies go on by themselves', cannotFork, async (sandbox, client) => {
    const { endAt } = await sandbox.getInfo()
    await sandbox.files.write('state.txt', 'before', { metadata })
    const { pid } = await sandbox.commands.run('sleep 3600', { background: true })
    const forks = await client.Sandbox.fork(sandbox.sandboxId, { ...options, count: 2, timeoutMs: 60_000 })
    made.push(...forks)
    assert.equal(new Set([sandbox, ...forks].map(({ sandboxId }) => sandboxId)).size, 3)
    assert.equal(await forks[0].files.read('/run/e2b/.E2B_SANDBOX_ID'), forks[0].sandboxId)
    await forks[0].files.write('state.txt', 'after')
    assert.equal(await sandbox.files.read('state.txt'), 'before')
    assert.equal(await forks[1].files.read('state.txt'), 'before')
    assert.deepEqual((await forks[1].files.getInfo('state.txt')).metadata, metadata)
    assert.ok((await forks[1].commands.list()).some((found: Answer) => found.pid === pid))
    assert.deepEqual((await sandbox.getInfo()).endAt, endAt)
    await assert.rejects(client.Sandbox.fork('nosuchsandbox', options), /doesn't exist/)
  })

  proof(
    ['sandbox.createSnapshot', 'Sandbox.listSnapshots', 'Sandbox.deleteSnapshot'],
    'saved, found again, begun from and deleted',
    keepsFiles,
    async (sandbox, client) => {
      await sandbox.files.write('saved.txt', 'saved', { metadata })
      const unnamed = await sandbox.createSnapshot()
      assert.match(unnamed.snapshotId, /^[a-z0-9]+:default$/)
      assert.deepEqual(unnamed.names, [])
      const named = await sandbox.createSnapshot({ name: `Point-${driver.replaceAll('/', '-')}` })
      assert.match(named.snapshotId, /^[a-z0-9_-]+\/point-[a-z-]+:default$/)
      const twice = await sandbox.createSnapshot({ name: named.names[0] })
      assert.equal(twice.snapshotId, named.snapshotId)
      assert.equal(await sandbox.isRunning(), true)

      const list = client.Sandbox.listSnapshots({ ...options, sandboxId: sandbox.sandboxId, limit: 1 })
      const first = await list.nextItems()
      assert.equal(list.hasNext, true)
      const all = [...first, ...(await list.nextItems())]
      assert.equal(list.hasNext, false)
      assert.deepEqual(all.map(({ snapshotId }) => snapshotId).sort(), [named.snapshotId, unnamed.snapshotId].sort())
      const byName = async (name: string) =>
        (await client.Sandbox.listSnapshots({ ...options, name }).nextItems()).map(({ names }: Answer) => names)
      assert.deepEqual(await byName(named.names[0]), [named.names])
      assert.deepEqual(await byName('nothing-is-called-so'), [])

      await sandbox.kill()
      for (const { snapshotId } of [unnamed, named]) {
        const copy = await client.Sandbox.create(snapshotId, options)
        assert.equal(await copy.files.read('saved.txt'), 'saved')
        assert.deepEqual((await copy.files.getInfo('saved.txt')).metadata, metadata)
        await copy.kill()
        assert.equal(await client.Sandbox.deleteSnapshot(snapshotId, options), true)
        assert.equal(await client.Sandbox.deleteSnapshot(snapshotId, options), false)
      }
      await assert.rejects(client.Sandbox.create(named.snapshotId, options), /404/)
      assert.equal((await platform.call('GET', '/snapshots?nextToken=x')).status, 400)
    },
  )

  async function states(client: Answer, { sandboxId }: Answer): Promise<string[]> {
    const found: string[] = []
    for (const state of ['running', 'paused']) {
      const items = await client.Sandbox.list({ ...options, query: { state: [state] } }).nextItems()
      found.push(...items.filter((one: Answer) => one.sandboxId === sandboxId).map((one: Answer) => one.state))
    }
    return found
  }
}

test('statuses of what cannot be done', { skip: noPause }, async () => {
  const [platform] = platforms as [Platform]
  const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
  const path = `/sandboxes/${sandboxID}`
  const status = async (method: string, at: string, body?: object) => {
    const answer = await platform.call(method, at, body)
    const text = await answer.text()
    if (answer.status >= 400) assert.equal(JSON.parse(text).code, answer.status, text)
    return answer.status
  }
  for (const count of [0, -1, 101]) assert.equal(await status('POST', `${path}/fork`, { count }), 400)
  assert.equal(await status('POST', `${path}/resume`, {}), 409)
  assert.equal(await status('POST', `${path}/snapshots`, { name: 'no name' }), 400)
  assert.equal(await status('POST', `${path}/pause`, {}), 204)
  assert.equal(await status('POST', `${path}/pause`, {}), 409)
  assert.equal(await status('POST', `${path}/fork`, {}), 409)
  assert.equal(await status('POST', `${path}/snapshots`, {}), 409)
  assert.equal(await status('POST', `${path}/timeout`, { timeout: 0 }), 409)
  assert.equal(await status('POST', `${path}/resume`, { timeout: 60, autoPause: true }), 400)
  assert.equal(await status('POST', `${path}/resume`, { timeout: 60 }), 201)
  assert.equal(await status('POST', `${path}/pause`, { memory: true }), 204)
  assert.equal(await status('POST', `/v2${path}/connect`, { memory: false }), 201)
  assert.equal(await status('POST', `/v2${path}/connect`, { memory: false }), 200)
  assert.equal(await status('DELETE', path), 204)
  for (const verb of ['pause', 'resume', 'fork', 'snapshots', 'connect', 'timeout'])
    assert.equal(
      await status('POST', `${path}/${verb}`, verb === 'timeout' || verb === 'connect' ? { timeout: 5 } : {}),
      404,
      verb,
    )
  for (const wish of [
    { autoPauseMemory: false },
    { autoPause: true, autoPauseMemory: false, autoResume: { enabled: true } },
  ])
    assert.equal(await status('POST', '/v2/sandboxes', { templateID: 'base', ...wish }), 400)
})

test('what is open to a sandbox is reset when it is paused, and /health says so before', {
  skip: noPause,
}, async () => {
  const [platform] = platforms as [Platform]
  const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base' })
  const host = `8000-${sandboxID}.localhost`
  const slow = `import http.server, time
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'begun'); self.wfile.flush(); time.sleep(60)
http.server.ThreadingHTTPServer(('127.0.0.1', 8000), H).serve_forever()`
  await platform.json('POST', `/v1/sandboxes/${sandboxID}/processes`, { command: `python3 -c "${slow}"` })
  const health = () =>
    platform.fetch('/health', { headers: { 'e2b-sandbox-id': sandboxID, 'e2b-sandbox-port': '49983' } })
  const open = await until(
    'it answers',
    () =>
      new Promise<http.IncomingMessage | undefined>((resolve) => {
        const request = http.get(platform.url, { headers: { host } }, (response) =>
          resolve(response.statusCode === 200 ? response : undefined),
        )
        request.on('error', () => resolve(undefined))
      }),
  )
  open.on('data', () => {})
  let statusThen: number | undefined
  const cut = new Promise<string>((resolve) => {
    open.on('error', async (error: NodeJS.ErrnoException) => {
      statusThen = (await health()).status
      resolve(error.code ?? '')
    })
  })
  await platform.json('POST', `/v1/sandboxes/${sandboxID}/pause`, {})
  assert.equal(await cut, 'ECONNRESET')
  assert.equal(statusThen, 502)
  await sleep(1)
  await platform.call('DELETE', `/v1/sandboxes/${sandboxID}`)
})

test('a WebSocket wakes a sandbox, and is reset when it is paused', { skip: noPause }, async () => {
  const [platform] = platforms as [Platform]
  const wish = { templateID: 'base', autoPause: true, autoResume: { enabled: true } }
  const { sandboxID } = await platform.json('POST', '/v2/sandboxes', wish)
  const echo = `import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', 8000)); s.listen()
while True:
    c, _ = s.accept(); c.recv(4096)
    c.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: upgrade\\r\\n\\r\\nhello')`
  await platform.json('POST', `/v1/sandboxes/${sandboxID}/processes`, { command: `python3 -c "${echo}"` })
  const connect = () =>
    new Promise<Socket | undefined>((resolve) => {
      const headers = { host: `8000-${sandboxID}.localhost`, upgrade: 'websocket', connection: 'upgrade' }
      const request = http.get(platform.url, { headers })
      request.on('upgrade', (_, socket) => resolve(socket as Socket))
      request.on('response', (response) => void response.resume().on('end', () => resolve(undefined)))
      request.on('error', () => resolve(undefined))
    })
  const first = await until('it listens', connect)
  const reset = new Promise((resolve) => first.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code)))
  first.resume()
  await platform.json('POST', `/sandboxes/${sandboxID}/pause`, {})
  assert.equal(await reset, 'ECONNRESET')
  const woken = await connect()
  assert.ok(woken, 'it was held, and then served')
  woken.on('error', () => {})
  woken.destroy()
  assert.equal((await platform.json('GET', `/sandboxes/${sandboxID}`)).state, 'running')
  await platform.call('DELETE', `/sandboxes/${sandboxID}`)
})

test('a fork for which there is no place fails alone', { skip: noFork }, async () => {
  const small = await startPlatform({ WARREN_MAX_SANDBOXES: '2', WARREN_POOL_SIZE: '0' })
  const { sandboxID } = await small.json('POST', '/v2/sandboxes', { templateID: 'base' })
  const answer = await small.call('POST', `/sandboxes/${sandboxID}/fork`, { count: 3, timeout: 60 })
  assert.equal(answer.status, 201)
  const forks: Answer[] = await answer.json()
  assert.deepEqual(
    forks.map(({ sandbox, error }) => [sandbox !== undefined, error?.code]),
    [
      [true, undefined],
      [false, 429],
      [false, 429],
    ],
  )
  const all = await small.call('POST', `/v1/sandboxes/${sandboxID}/fork`, { count: 2 })
  assert.equal(all.status, 429, 'at the native door it is all or none')
  assert.equal((await small.json('GET', '/v1/sandboxes')).sandboxes.length, 2)
})

/** With the host name in the head only: not every machine knows names below localhost. */
function get(
  platform: Platform,
  host: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get(platform.url, { headers: { ...headers, host } }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode!, body })
    })
    request.on('error', reject)
  })
}
