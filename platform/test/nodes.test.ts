import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import http from 'node:http'
import http2 from 'node:http2'
import { join } from 'node:path'
import { after, test } from 'node:test'
import pg from 'pg'
import { WebSocket } from 'ws'
import { type Answer, commandLine, held, type Platform, processesOf, startPlatform, until } from './platform.ts'
import { startSharedPostgres, whyNoPostgres } from './test-database.ts'

const skip = (await whyNoPostgres('embedded')) || undefined
const keys = ['admin.key', 'token.seed', 'accounts.seed', 'secrets.key']

test('a platform and two workers on one PostgreSQL', { skip }, async (t) => {
  let stopDatabase = async () => {}
  const { databaseUrl } = await startSharedPostgres({ after: (stop) => (stopDatabase = stop) })
  const env = { DATABASE_URL: databaseUrl, WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '0' }
  const database = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  database.on('error', () => {})

  const early = startPlatform({ ...env, WARREN_NODE: 'worker' })
  await t.test('a worker without a platform is refused', async () => {
    await assert.rejects(early, /no platform has worked with this database/)
  })

  const platform = await startPlatform(env)
  const worker = () =>
    startPlatform(
      { ...env, WARREN_NODE: 'worker' },
      {
        prepare: (home) =>
          Promise.all(keys.map((name) => copyFile(join(platform.home, name), join(home, name)))).then(() => {}),
      },
    )

  await t.test('one with other keys is refused', async () => {
    await assert.rejects(startPlatform({ ...env, WARREN_NODE: 'worker' }), /has other keys than this worker/)
  })

  const [first, second] = await Promise.all([worker(), worker()])
  const nodes = async (): Promise<Answer[]> => (await platform.json('GET', '/v1/nodes')).nodes
  const placed = async (): Promise<Map<string, string | null>> => {
    const { rows } = await database.query('select id, node from sandboxes where ended_at is null')
    return new Map(rows.map(({ id, node }) => [id, node]))
  }
  await until('both are known', async () => (await nodes()).filter(({ state }) => state === 'ready').length === 2)
  // Known to what places sandboxes, which looks once a second.
  const [one, other] = (await nodes()).map(({ id }) => id)
  const workerOf = (id: string): Platform => {
    const port = Number(new URL(addresses.get(id)!).port)
    return first.port === port ? first : second
  }
  const addresses = new Map((await nodes()).map(({ id, address }) => [id, address]))
  const bodies = await Promise.all(
    Array.from({ length: 6 }, () => platform.json('POST', '/v1/sandboxes', { timeout: 1200 })),
  )
  const where = await placed()
  const on = (node: string) => bodies.map(({ id }) => id).filter((id) => where.get(id) === node)
  const away = `/v1/sandboxes/${on(one)[0]}`

  await t.test('six sandboxes that are asked for at once are two on each machine', () => {
    assert.deepEqual([on(one).length, on(other).length], [2, 2])
    assert.equal(bodies.filter(({ id }) => where.get(id) === null).length, 2)
  })

  await t.test('a worker that does not know the address of the platform signs no identity tokens', async () => {
    const answer = await platform.call('PUT', `${away}/network`, { allow: ['a.example'], identity: { a: 'a.example' } })
    assert.equal(answer.status, 503)
    assert.match((await answer.json()).message, /does not know where the platform is found/)
  })

  await t.test('the audit log says where the client is, also of what a worker did', async () => {
    await platform.kill('SIGTERM')
    await platform.start({ WARREN_TRUSTED_PROXIES: '127.0.0.0/8' })
    const headers = { 'x-forwarded-for': '198.51.100.9' }
    assert.equal((await platform.call('PUT', `${away}/files?path=/tmp/from`, 'x', { headers })).status, 200)
    const terminal = new WebSocket(`ws://127.0.0.1:${platform.port}${away}/terminal?command=true`, {
      headers: { ...headers, 'x-api-key': platform.key },
    })
    await once(terminal, 'close')
    const subject = away.split('/').at(-1)
    const entries: Answer[] = await until('both are told', async () => {
      const found = (await platform.json('GET', `/v1/audit?subject=${subject}`)).entries
      const told = found.filter(({ action }: Answer) => ['file.write', 'terminal.open'].includes(action))
      return told.length >= 3 && told
    })
    for (const { action, address } of entries) assert.equal(address, '198.51.100.9', action)
    await platform.kill('SIGTERM')
    await platform.start()
  })

  await t.test('gRPC is told that it does not lead to a sandbox of a worker', async () => {
    const session = http2.connect(`http://127.0.0.1:${platform.port}`)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/process.Process/List',
      'content-type': 'application/grpc+proto',
      'e2b-sandbox-id': on(one)[0]!,
      'e2b-sandbox-port': '49983',
    })
    const [headers] = await once(stream.end(), 'response')
    assert.deepEqual([headers[':status'], headers['grpc-status']], [200, '12'])
    session.destroy()
  })

  await t.test('a worker answers its platform alone, and says whether it is up', async () => {
    assert.equal((await first.fetch('/health')).status, 200)
    for (const path of ['/v1/sandboxes', away, '/v1/functions', '/openapi.json']) {
      const refused = await first.call('GET', path)
      assert.equal(refused.status, 403, path)
      assert.match((await refused.json()).message, /answers its platform alone/)
    }
    const forged = await first.call('GET', away, undefined, {
      headers: { 'warren-node-pass': 'guessed', 'warren-node-client': '127.0.0.1' },
    })
    assert.equal(forged.status, 403)
  })

  await t.test(
    'programs, files, streams, terminals and ports of its sandboxes are reached through the platform',
    async () => {
      const { stdout } = await platform.json('POST', `${away}/execute`, { command: 'echo $((6*7))' })
      assert.equal(stdout, '42\n')
      const bytes = Buffer.alloc(3_000_000, 'ab')
      const put = await platform.call('PUT', `${away}/files?path=/tmp/large`, bytes)
      assert.equal(put.status, 200, await put.text())
      const got = await platform.call('GET', `${away}/files?path=/tmp/large`)
      assert.ok(Buffer.from(await got.arrayBuffer()).equals(bytes))

      const streamed = await platform.call('POST', `${away}/execute`, JSON.stringify({ command: 'echo as it comes' }), {
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      })
      assert.match(await streamed.text(), /as it comes/)

      const terminal = new WebSocket(`ws://127.0.0.1:${platform.port}${away}/terminal?command=echo%20shown`, {
        headers: { 'x-api-key': platform.key },
      })
      let shown = ''
      terminal.on('message', (data) => (shown += data))
      await once(terminal, 'close')
      assert.match(shown, /shown/)

      const serve = `python3 -c "import http.server as s
class H(s.BaseHTTPRequestHandler):
  def do_GET(self):
    self.send_response(200); self.end_headers(); self.wfile.write(str(self.headers).encode())
s.HTTPServer(('127.0.0.1', 8123), H).serve_forever()"`
      await platform.json('POST', `${away}/processes`, { command: serve })
      const byPath = await until('it serves', async () => {
        const answer = await platform.call('GET', `${away}/ports/8123/`)
        return answer.ok ? await answer.text() : undefined
      })
      assert.doesNotMatch(byPath, new RegExp(`warren-node|${platform.key}`, 'i'))
      const id = away.split('/').at(-1)
      const host = `8123-${id}.localhost:${platform.port}`
      assert.match(await textOf(platform, { host, 'x-api-key': platform.key }), new RegExp(`Host: ${host}`, 'i'))
    },
  )

  await t.test('its life is led through the platform: time, pause, resume, copies', async () => {
    assert.equal((await platform.json('GET', away)).state, 'running')
    await platform.json('POST', `${away}/timeout`, { timeout: 1000 })
    await platform.json('POST', `${away}/execute`, { command: 'echo kept > /tmp/kept' })
    await platform.json('POST', `${away}/pause`)
    assert.equal((await platform.json('GET', away)).state, 'paused')
    await platform.json('POST', `${away}/resume`)
    const kept = await platform.json('POST', `${away}/execute`, { command: 'cat /tmp/kept' })
    assert.equal(kept.stdout, 'kept\n')
    const { runtime } = await platform.json('GET', away)
    if (runtime.driver === 'oci/runsc') {
      const { sandboxes } = await platform.json('POST', `${away}/fork`, { count: 1 })
      assert.equal((await placed()).get(sandboxes[0].id), one)
      assert.equal((await platform.call('DELETE', `/v1/sandboxes/${sandboxes[0].id}`)).status, 204)
    }
    const saved = await platform.call('POST', `${away}/snapshots`, {})
    assert.equal(saved.status, 503)
    assert.match((await saved.json()).message, /workers keep no snapshots/)
  })

  await t.test('clients of E2B get sandboxes on workers, and reach their inside', async () => {
    const ids: string[] = []
    for (const _ of [1, 2, 3])
      ids.push((await platform.json('POST', '/sandboxes', { templateID: 'base', timeout: 600 })).sandboxID)
    const now = await placed()
    const remote = ids.find((id) => now.get(id) !== null)!
    assert.ok(remote, 'one of three is on a worker')
    const answer = await platform.fetch('/health', {
      headers: { 'e2b-sandbox-id': remote, 'e2b-sandbox-port': '49983' },
    })
    assert.equal(answer.status, 204)
    for (const id of ids) assert.equal((await platform.call('DELETE', `/sandboxes/${id}`)).status, 204)
  })

  await t.test('who may not see a sandbox gets the same answer from a worker', async () => {
    assert.equal((await platform.fetch(away)).status, 401)
    const org = await platform.json('POST', '/v1/orgs', { name: 'other' })
    const answer = await platform.call('GET', away, undefined, { headers: { 'warren-organisation': org.id } })
    assert.equal(answer.status, 404)
  })

  await t.test('what needs something of the platform itself stays there', async () => {
    const volume = await platform.json('POST', '/v1/volumes', { name: 'data', sizeMb: 16 })
    const made = await Promise.all(
      [1, 2, 3].map(() => platform.json('POST', '/v1/sandboxes', { volumes: [{ name: 'data', path: '/data' }] })),
    )
    const now = await placed()
    for (const { id } of made) assert.equal(now.get(id), null)
    for (const { id } of made) await platform.call('DELETE', `/v1/sandboxes/${id}`)
    await platform.call('DELETE', `/v1/volumes/${volume.id}`)
  })

  await t.test('each start stands in the audit log once', async () => {
    const { entries } = await until('it is written', async () => {
      const found = await platform.json('GET', '/v1/audit?action=sandbox.create&limit=100')
      return bodies.every(({ id }) => found.entries.some(({ subject }: Answer) => subject === id)) && found
    })
    for (const { id } of bodies) assert.equal(entries.filter(({ subject }: Answer) => subject === id).length, 1)
  })

  await t.test('a platform that is killed and started again takes nothing from its workers', async () => {
    await platform.kill('SIGKILL')
    await platform.start()
    for (const { id } of bodies) {
      const { stdout } = await platform.json('POST', `/v1/sandboxes/${id}/execute`, { command: 'echo here' })
      assert.equal(stdout, 'here\n')
    }
  })

  await t.test(
    'while a worker is away its sandboxes are 503 and new ones go elsewhere; afterwards they are as before',
    async () => {
      const gone = workerOf(one)
      await gone.kill('SIGKILL')
      for (const _ of [1, 2, 3, 4]) {
        const refused = await platform.call('GET', away)
        assert.equal(refused.status, 503)
        assert.ok(Number(refused.headers.get('retry-after')) >= 1)
        assert.match((await refused.json()).message, /cannot be reached now/)
      }
      const states = new Map((await nodes()).map(({ id, state }) => [id, state]))
      assert.deepEqual([states.get(one), states.get(other)], ['unreachable', 'ready'])
      const made = await Promise.all(Array.from({ length: 4 }, () => platform.json('POST', '/v1/sandboxes', {})))
      const now = await placed()
      for (const { id } of made) assert.notEqual(now.get(id), one)
      for (const { id } of made) assert.equal((await platform.call('DELETE', `/v1/sandboxes/${id}`)).status, 204)

      await gone.start()
      const kept = await until('it is reached', async () => {
        const answer = await platform.call('POST', `${away}/execute`, { command: 'cat /tmp/kept' })
        return answer.ok && (await answer.json()).stdout
      })
      assert.equal(kept, 'kept\n')
    },
  )

  await t.test('one that works cannot be given up; of one that is gone the sandboxes have failed', async () => {
    assert.equal((await platform.call('DELETE', `/v1/nodes/${one}`)).status, 409)
    const gone = workerOf(other)
    const lost = on(other)
    await gone.kill('SIGKILL')
    await until(
      'it is not heard of any more',
      async () => (await nodes()).find(({ id }) => id === other)?.state === 'lost',
      30_000,
    )
    // The platform dies between the two effects of it, and is asked again.
    const killer = `import { subscribe } from 'node:diagnostics_channel'
      subscribe('tracing:warren.step:start', ({ name }) => name === 'sandbox.give_up' && process.kill(process.pid, 'SIGKILL'))`
    await platform.kill('SIGTERM')
    await platform.start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(killer)}` })
    await assert.rejects(platform.call('DELETE', `/v1/nodes/${other}`))
    await platform.kill('SIGKILL')
    await platform.start()
    const answer = await platform.json('DELETE', `/v1/nodes/${other}`)
    assert.equal(answer.lost, lost.length)
    for (const id of lost) {
      const { state, endReason } = await platform.json('GET', `/v1/sandboxes/${id}`)
      assert.deepEqual([state, endReason], ['failed', 'lost'])
    }
    assert.equal((await platform.call('DELETE', `/v1/nodes/${other}`)).status, 404)
    const { events } = await platform.json('GET', `/v1/events?type=sandbox.failed&limit=100`)
    assert.deepEqual(events.map(({ subject }: Answer) => subject).sort(), lost.toSorted())

    await gone.start()
    await until('it has ended what was given up', () => sandboxesOf(gone) === 0)
    assert.deepEqual((await nodes()).map(({ id }) => id).sort(), [one, other].toSorted())
  })

  after(async () => {
    await database.end()
    await stopDatabase()
  })
})

/** How many run or stand still in a home, besides what is prepared for the next. */
function sandboxesOf({ home }: Platform): number {
  const keepers = processesOf(home).filter((pid) => commandLine(pid).includes('\0keep\0'))
  return keepers.length - held(home).length
}

/** A request whose Host is not where it goes. */
function textOf({ port }: Platform, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ port, host: '127.0.0.1', headers }, async (answer) => {
        let text = ''
        for await (const chunk of answer) text += chunk
        resolve(text)
      })
      .on('error', reject)
  })
}
