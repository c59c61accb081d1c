import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sandbox } from 'e2b-2-45'
import { type Answer, startPlatform } from '../platform.ts'

/** `secure: false` of the older clients: a sandbox whose inside needs no token. */
const platform = await startPlatform()
const options = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url, validateApiKey: false }
const inside = (id: string, path: string, init: Answer = {}) =>
  platform.fetch(path, {
    ...init,
    headers: { ...init.headers, 'e2b-sandbox-id': id, 'e2b-sandbox-port': String(init.port ?? 49_983) },
  })
const stat = (id: string) =>
  inside(id, '/filesystem.Filesystem/Stat', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ path: '/' }),
  })

test('a sandbox that was made with secure: false is used without a token, by whoever knows its id', async () => {
  const sandbox = await Sandbox.create({ ...options, secure: false, metadata: { a: 'b' } })
  const id = sandbox.sandboxId
  try {
    assert.equal((sandbox as Answer).envdAccessToken, undefined)
    assert.equal((await sandbox.commands.run('echo hello')).stdout, 'hello\n')
    await sandbox.files.write('plain.txt', 'plain')
    const url = await sandbox.downloadUrl('plain.txt')
    assert.ok(!url.includes('signature'), url)
    assert.equal(await (await inside(id, '/files?path=plain.txt')).text(), 'plain')
    assert.equal((await stat(id)).status, 200)
    const run = await inside(id, '/execute', {
      ...{ method: 'POST', port: 49_999, headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ code: 'echo $((6 * 7))', language: 'bash' }),
    })
    assert.match(await run.text(), /42/)
    const info = await platform.json('GET', `/sandboxes/${id}`)
    assert.deepEqual([info.envdAccessToken, info.metadata], [undefined, { a: 'b' }])
    const native = await platform.json('GET', `/v1/sandboxes/${id}`)
    assert.equal(native.metadata['warren.inside'], 'public', 'the owner sees that it is open')
    const { entries } = await platform.json('GET', `/v1/audit?subject=${id}`)
    const started = entries.find(({ action }: Answer) => action === 'process.start')
    assert.equal(started.actorKind, 'anyone')
    await sandbox.setTimeout(60_000)
    const again = await Sandbox.connect(id, options)
    assert.equal((await again.commands.run('cat plain.txt')).stdout, 'plain')
  } finally {
    await sandbox.kill()
  }
})

test('no other sandbox is open, and no paused one is woken but by its token', async (t) => {
  const secured = await Sandbox.create(options)
  try {
    assert.ok((secured as Answer).envdAccessToken)
    for (const secure of [true, undefined]) {
      const body = { templateID: 'base', ...(secure === undefined ? {} : { secure }) }
      const { sandboxID, envdAccessToken } = await platform.json('POST', '/sandboxes', body)
      assert.ok(envdAccessToken)
      assert.equal((await stat(sandboxID)).status, 401)
      await platform.call('DELETE', `/sandboxes/${sandboxID}`)
    }
    for (const [path, body] of [
      ['/v2/sandboxes', { secure: false }],
      ['/sandboxes', { secure: false, network: { allowPublicTraffic: false } }],
      ['/sandboxes', { metadata: { 'warren.inside': 'public' } }],
    ] as const)
      assert.equal((await platform.call('POST', path, { templateID: 'base', ...body })).status, 400, path)
    const open = await Sandbox.create({ ...options, secure: false })
    const snapshot = await platform.call('POST', `/sandboxes/${open.sandboxId}/snapshots`, {})
    await open.kill()
    if (!snapshot.ok) return t.diagnostic(`no snapshots here: ${await snapshot.text()}`)
    const { snapshotID } = await snapshot.json()
    const copy = await Sandbox.create(snapshotID, options)
    assert.equal((await stat(copy.sandboxId)).status, 401)
    await copy.kill()
  } finally {
    await secured.kill()
  }
})

test('a paused sandbox that resumes by itself is woken without a token where it needs none', async (t) => {
  for (const secure of [false, true]) {
    const body = { templateID: 'base', secure, autoPause: true, autoResume: { enabled: true }, timeout: 60 }
    const { sandboxID } = await platform.json('POST', '/sandboxes', body)
    const paused = await platform.call('POST', `/sandboxes/${sandboxID}/pause`, {})
    if (!paused.ok) return t.skip(await paused.text())
    assert.equal((await stat(sandboxID)).status, secure ? 403 : 200)
    await platform.call('DELETE', `/sandboxes/${sandboxID}`)
  }
})
