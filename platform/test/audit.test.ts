import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const sandbox = await platform.sandbox()
const id = sandbox.split('/').at(-1)!

/** The verbs and outcomes of what was done to `subject`, oldest first, once `count` are there. */
async function told(subject: string, count: number): Promise<Answer[]> {
  return until(`${count} entries about ${subject}`, async () => {
    const { entries } = await platform.json('GET', `/v1/audit?subject=${encodeURIComponent(subject)}`)
    return entries.length >= count && entries.reverse()
  })
}

test('changes, programs and files are recorded: who, what, from where, with what result, and no content', async () => {
  await platform.json('POST', `${sandbox}/execute`, { command: 'echo a-secret-of-ours' })
  await platform.call('PUT', `${sandbox}/files?path=/tmp/a.txt`, 'another-secret')
  await platform.call('GET', `${sandbox}/files?path=/tmp/a.txt`)
  await platform.call('GET', `${sandbox}/files?path=/tmp/none.txt`)
  await platform.json('POST', `${sandbox}/timeout`, { timeout: 600 })
  await platform.json('GET', sandbox)
  const entries = await told(id, 8)
  assert.deepEqual(
    entries.map(({ action, outcome, status }) => [action, outcome, status]),
    [
      ['sandbox.create', 'done', 201],
      ['sandbox.execute', 'begun', undefined],
      ['sandbox.execute', 'done', 200],
      ['file.write', 'begun', undefined],
      ['file.write', 'done', 200],
      ['file.read', 'done', 200],
      ['file.read', 'refused', 404],
      ['sandbox.set_timeout', 'done', 200],
    ],
  )
  const [, begun, done, write] = entries
  assert.deepEqual([done.actorKind, done.actor, done.address], ['admin', 'admin', '127.0.0.1'])
  assert.equal(begun.requestId, done.requestId)
  assert.deepEqual(write.details, { path: '/tmp/a.txt' })
  assert.doesNotMatch(JSON.stringify(entries), /secret/)
})

test('what is done with the token of a sandbox and in a terminal is recorded too', async () => {
  const { envdAccessToken } = await platform.json('GET', `/sandboxes/${id}`)
  const inside = { 'e2b-sandbox-id': id, 'e2b-sandbox-port': '49983', 'x-access-token': envdAccessToken }
  const list = { method: 'POST', headers: { ...inside, 'content-type': 'application/json' }, body: '{"path":"/tmp"}' }
  assert.equal((await platform.fetch('/filesystem.Filesystem/ListDir', list)).status, 200)
  await platform.fetch('/files?path=/tmp/a.txt', { headers: inside })
  const socket = new WebSocket(`${platform.url.replace('http', 'ws')}${sandbox}/terminal?command=true`, [
    `warren.key.${platform.key}`,
  ])
  await new Promise((resolve) => {
    socket.onclose = resolve
  })
  const entries = (await told(id, 12)).slice(8)
  assert.deepEqual(
    entries.map(({ action, actorKind, actor }) => [action, actorKind, actor]).sort(),
    [
      ['file.list', 'token', id],
      ['file.read', 'token', id],
      ['sandbox.read', 'admin', 'admin'],
      ['terminal.open', 'admin', 'admin'],
    ].sort(),
  )
})

test('a refusal is recorded, and only who may reads the log of their organisation', async () => {
  const { key, id: keyId } = await platform.json('POST', '/v1/keys', { name: 'ci', role: 'viewer' })
  const as = (path: string, method = 'GET') => platform.fetch(path, { method, headers: { 'x-api-key': key } })
  assert.equal((await as(sandbox, 'DELETE')).status, 403)
  assert.equal((await as('/v1/audit')).status, 403)
  const { entries } = await until('the refusal', async () => {
    const found = await platform.json('GET', `/v1/audit?actor=${keyId}`)
    return found.entries.length > 0 && found
  })
  assert.deepEqual([entries[0].action, entries[0].outcome, entries[0].subject], ['sandbox.remove', 'refused', id])

  const org = await platform.json('POST', '/v1/orgs', { name: 'other' })
  const headers = { 'warren-organisation': org.id }
  assert.deepEqual(await (await platform.call('GET', '/v1/audit', undefined, { headers })).json(), { entries: [] })
})

test('the chain is whole, also over kill -9 right after an answer, and the export shows it by itself', async () => {
  const { exitCode } = await platform.json('POST', `${sandbox}/execute`, { command: 'true' })
  assert.equal(exitCode, 0)
  await platform.kill('SIGKILL')
  await platform.start()
  const { entries } = await platform.json('GET', '/v1/audit?action=sandbox.execute&limit=1000')
  assert.equal(entries.filter((entry: Answer) => entry.outcome === 'begun').length, 2, 'what was begun is there')
  const verdict = await platform.json('GET', '/v1/audit/verify')
  assert.equal(verdict.whole, true)

  const text = await (await platform.call('GET', '/v1/audit/export')).text()
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  let hash = createHash('sha256').update('org0').digest('hex')
  for (const [at, line] of lines.entries()) {
    assert.equal(line.seq, at + 1)
    hash = createHash('sha256').update(`${hash}\n${line.seq}\n${line.entry}`).digest('hex')
    assert.equal(line.hash, hash)
  }
  assert.ok(lines.length >= verdict.entries)
})
