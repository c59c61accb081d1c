import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import grpc from '@grpc/grpc-js'
import pg from 'pg'
import { WebSocket } from 'ws'
import { allEvents, eventsOf } from './events.ts'
import { all, grpcClient } from './grpc-clients.ts'
import { type Answer, startPlatform, until } from './platform.ts'
import { startSharedPostgres, whyNoPostgres } from './test-database.ts'

const skip = (await whyNoPostgres('embedded')) || undefined
// What runs before the platform ends runs after it here: its database goes last.
let stopDatabase = async () => {}
const { databaseUrl } = skip
  ? { databaseUrl: undefined }
  : await startSharedPostgres({ after: (stop) => (stopDatabase = stop) })
const platform = await startPlatform({ WARREN_POOL_SIZE: '0', ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}) })
after(() => stopDatabase())
const sandbox = await platform.sandbox({ timeout: 3600 })
const id = sandbox.split('/').at(-1)!
const client = grpcClient(`127.0.0.1:${platform.port}`)
after(() => client.close())

const server = `import http.server,time
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'begun'); self.wfile.flush(); time.sleep(600)
http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Handler).serve_forever()`
await platform.json('PUT', `${sandbox}/files?path=/tmp/server.py`, server)
await platform.json('POST', `${sandbox}/processes`, { command: 'python3 /tmp/server.py' })
await until(
  'the server listens',
  async () => {
    const gone = new AbortController()
    const { status } = await platform.call('GET', `${sandbox}/ports/8080/`, undefined, { signal: gone.signal })
    gone.abort()
    return status === 200
  },
  30_000,
)

type Events = { event: string; data: Answer }[]

/** Opens a stream as `key`; resolves when it is open, to a promise of how it ends. */
async function stream(key: string, path: string, body?: object): Promise<{ ended: Promise<Events> }> {
  const response = await platform.fetch(path, {
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
  })
  assert.equal(response.status, 200, path)
  return { ended: allEvents(response) }
}

async function socket(key: string, path: string) {
  const opened = new WebSocket(`ws://127.0.0.1:${platform.port}${path}`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const messages: Answer[] = []
  opened.on('message', (data, isBinary) => isBinary || messages.push(JSON.parse(`${data}`)))
  const closed = once(opened, 'close')
  await once(opened, 'open')
  return { closed, messages }
}

const make = (body: object = {}) => platform.json('POST', '/v1/keys', { name: 'of streams', ...body })

function assertRefused(events: Events, code: string, what: string): void {
  const { event, data } = events.at(-1)!
  assert.deepEqual([event, data.code], ['error', code], what)
  assert.match(data.requestId, /^r/)
}

test('what is open by a key ends when the key is revoked, and says why; what others have open goes on', async () => {
  const [gone, stays] = [await make(), await make()]
  const other = await platform.fetch('/v1/events?follow=true', { headers: { 'x-api-key': stays.key } })
  const streams = {
    feed: await stream(gone.key, '/v1/events?follow=true'),
    logs: await stream(gone.key, `${sandbox}/logs?follow=true`),
    watch: await stream(gone.key, `${sandbox}/files/watch?path=/tmp`),
    run: await stream(gone.key, `${sandbox}/execute`, { command: 'echo begun; sleep 599', stream: true }),
  }
  const terminal = await socket(gone.key, `${sandbox}/terminal`)
  const meta = new grpc.Metadata()
  meta.set('x-api-key', gone.key)
  const followed = client.StreamLogs({ id, follow: true }, meta)
  const logs = all(followed)
  logs.catch(() => {})
  const program = all(client.ExecuteCode({ id, command: 'echo begun; sleep 598' }, meta))
  program.catch(() => {})
  const port = await platform.fetch(`${sandbox}/ports/8080/`, { headers: { 'x-api-key': gone.key } })
  const fromPort = port.text()
  fromPort.catch(() => {})
  const sleeps = async () =>
    (
      await platform.json('POST', `${sandbox}/execute`, { command: 'ps ax -o args= | grep -c "^sleep 59[89]" || true' })
    ).stdout.trim()
  await until('both programs run', async () => (await sleeps()) === '2')

  assert.equal((await platform.call('DELETE', `/v1/keys/${gone.id}`)).status, 204)
  for (const [name, { ended }] of Object.entries(streams)) assertRefused(await ended, 'unauthenticated', name)
  assert.deepEqual([(await terminal.closed)[0], terminal.messages.at(-1).code], [3000, 'unauthenticated'])
  for (const call of [logs, program])
    await assert.rejects(call, (error: Answer) => error.code === grpc.status.UNAUTHENTICATED)
  await assert.rejects(fromPort, 'the protocol of a program has no words for it: cut off')
  await until('the programs have ended, as when their clients go', async () => (await sleeps()) === '0')

  await platform.json('POST', '/v1/volumes', { name: 'after-all' })
  for await (const { event, data } of eventsOf(other)) {
    assert.equal(event, 'event')
    if (data.type === 'volume.created') break
  }
})

test('those of a service account end with it, those of a key at its end', async () => {
  await platform.json('POST', '/v1/service-accounts', { name: 'streamer', role: 'viewer' })
  const robot = await make({ serviceAccount: 'streamer' })
  const feed = await stream(robot.key, '/v1/events?follow=true')
  await platform.json('DELETE', '/v1/service-accounts/streamer')
  assertRefused(await feed.ended, 'unauthenticated', 'of the service account')
  const brief = await make({ expiresInSeconds: 2 })
  assertRefused(await (await stream(brief.key, '/v1/events?follow=true')).ended, 'unauthenticated', 'expired')
})

test('those of a member end when they are removed, may do less, or their session ends; may they do more they go on', async () => {
  const person = async (email: string, role: string) => {
    const { link } = await platform.json('POST', '/v1/orgs/org0/invitations', { email, role })
    const body = { token: link.split('#')[1], password: 'four words nobody guesses', name: 'Ann' }
    const joined = await platform.json('POST', '/v1/auth/join', body)
    const { members } = await platform.json('GET', '/v1/orgs/org0/members')
    return { key: joined.accessToken, path: `/v1/orgs/org0/members/${members.at(-1).userId}` }
  }
  const removed = await person('removed@example.com', 'developer')
  const first = await stream(removed.key, '/v1/events?follow=true')
  assert.equal((await platform.call('DELETE', removed.path)).status, 204)
  assertRefused(await first.ended, 'unauthenticated', 'removed')

  const changed = await person('changed@example.com', 'developer')
  const second = await platform.fetch('/v1/events?follow=true', { headers: { authorization: `Bearer ${changed.key}` } })
  const terminal = await socket(changed.key, `${sandbox}/terminal`)
  assert.equal((await platform.call('PATCH', changed.path, { role: 'admin' })).status, 204)
  await platform.json('POST', '/v1/volumes', { name: 'promoted' })
  const events = eventsOf(second)
  const goesOn = async () => {
    const { value } = await events.next()
    assert.equal(value!.event, 'event', 'it goes on')
    return value!.data.type
  }
  // Of how they joined it may hear too.
  const types = [await goesOn()]
  while (types.at(-1) !== 'volume.created') types.push(await goesOn())
  assert.ok(types.includes('member.changed'), `${types}`)
  assert.equal((await platform.call('PATCH', changed.path, { role: 'viewer' })).status, 204)
  let last = await events.next()
  if (last.value!.event === 'event') last = await events.next() // of the change itself, where that was quicker
  assert.deepEqual([last.value!.event, last.value!.data.code], ['error', 'forbidden'])
  assert.equal((await terminal.closed)[0], 3003)

  const out = await person('out@example.com', 'viewer')
  const third = await stream(out.key, '/v1/events?follow=true')
  const signedOut = await platform.fetch('/v1/auth/logout', {
    method: 'POST',
    headers: { authorization: `Bearer ${out.key}` },
  })
  assert.equal(signedOut.status, 204)
  assertRefused(await third.ended, 'unauthenticated', 'signed out')
})

test('what another node takes away is noticed here', { skip }, async () => {
  const key = await make()
  const feed = await stream(key.key, '/v1/events?follow=true')
  const terminal = await socket(key.key, `${sandbox}/terminal`)
  const elsewhere = new pg.Client({ connectionString: databaseUrl })
  await elsewhere.connect()
  await elsewhere.query('delete from keys where id = $1', [key.id])
  await elsewhere.end()
  assertRefused(await feed.ended, 'unauthenticated', 'deleted in the database')
  assert.equal((await terminal.closed)[0], 3000)
})
