import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Answer, lacksOf, startPlatform } from './platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)
const { runtimes } = await platform.json('GET', '/v1/runtimes')
const isRoot = process.getuid?.() === 0
const rungs = ['oci/runc', 'oci/runsc', 'namespaces']

test('a volume is made, listed, found by name and id, and deleted', async () => {
  const made = await platform.json('POST', '/v1/volumes', { name: 'notes', sizeMb: 64 })
  assert.deepEqual(made, {
    id: made.id,
    name: 'notes',
    ...(isRoot ? { sizeMb: 64 } : {}),
    createdAt: made.createdAt,
  })
  assert.deepEqual(await platform.json('GET', '/v1/volumes/notes'), made)
  assert.deepEqual(await platform.json('GET', `/v1/volumes/${made.id}`), made)
  assert.deepEqual((await platform.json('GET', '/v1/volumes')).volumes, [made])
  assert.equal((await platform.call('POST', '/v1/volumes', { name: 'notes' })).status, 409)
  assert.equal((await platform.call('POST', '/v1/volumes', { name: '../etc' })).status, 400)
  assert.equal((await platform.call('DELETE', '/v1/volumes/notes')).status, 204)
  assert.equal((await platform.call('GET', '/v1/volumes/notes')).status, 404)
  assert.deepEqual(await readdir(join(platform.home, 'volumes')), [])
})

for (const driver of rungs) {
  const found = runtimes.find((runtime: Answer) => runtime.driver === driver)
  const skip = !found?.healthy && `${driver}: ${found?.reason}`
  describe(driver, { skip }, () => {
    const shared = `shared-${driver.replace('/', '-')}`
    const volumes = [{ name: shared, path: '/home/user/deep/shared' }]
    const input = { isolation: { driver }, volumes }

    test('what one sandbox writes another one reads and changes, and it outlives both', async () => {
      await platform.json('POST', '/v1/volumes', { name: shared, sizeMb: 32 })
      const [one, other] = await Promise.all([platform.sandbox(input), platform.sandbox(input)])
      assert.deepEqual((await platform.json('GET', one)).volumes, volumes)
      const wrote = await run(one, 'cd ~/deep/shared && echo from one > a && mkdir -m 700 b && echo x > b/c && id -u')
      assert.equal(wrote.exitCode, 0, wrote.stderr)
      const read = await run(other, 'cd ~/deep/shared && cat a b/c && echo changed > a && stat -c %u:%a a b && rm -r b')
      assert.equal(read.stderr, '')
      assert.equal(read.stdout, 'from one\nx\n1000:644\n1000:700\n')
      assert.equal((await run(one, 'cat ~/deep/shared/a; ls ~/deep/shared')).stdout, 'changed\na\n')
      const busy = await platform.call('DELETE', `/v1/volumes/${shared}`)
      assert.equal(busy.status, 409)
      assert.match((await busy.json()).message, /in use by 2 sandboxes/)
      for (const path of [one, other]) await platform.call('DELETE', path)
      const later = await platform.sandbox(input)
      assert.equal((await run(later, 'cat ~/deep/shared/a')).stdout, 'changed\n')
      await platform.call('DELETE', later)
    })

    test('mounted for reading alone, not even root inside can write there', async () => {
      const [writer, reader] = [
        await platform.sandbox(input),
        await platform.sandbox({ ...input, volumes: [{ ...volumes[0], readOnly: true }] }),
      ]
      assert.deepEqual((await platform.json('GET', reader)).volumes, [{ ...volumes[0], readOnly: true }])
      assert.equal((await run(writer, 'echo kept > ~/deep/shared/kept')).exitCode, 0)
      const tries = [
        'echo x > ~/deep/shared/kept',
        'rm ~/deep/shared/kept',
        'mkdir ~/deep/shared/new',
        'sudo sh -c "echo x > /home/user/deep/shared/kept"',
        'sudo mount -o remount,rw /home/user/deep/shared',
        'echo x > ~/deep/shared/kept',
      ]
      for (const one of tries) assert.notEqual((await run(reader, one)).exitCode, 0, one)
      assert.equal((await run(reader, 'cat ~/deep/shared/kept')).stdout, 'kept\n')
      assert.equal((await run(writer, 'echo more >> ~/deep/shared/kept')).exitCode, 0, 'others write as before')
      for (const path of [writer, reader]) await platform.call('DELETE', path)
    })

    test('its size is a limit of its own', { skip: !isRoot && 'a folder has no limit' }, async () => {
      const path = await platform.sandbox(input)
      const full = await run(path, 'head -c 60000000 /dev/zero > ~/deep/shared/big; rm ~/deep/shared/big')
      assert.match(full.stderr, /No space left/)
      await platform.call('DELETE', path)
    })

    test('it is taken up again after the platform was killed, and pausing keeps it', async () => {
      const path = await platform.sandbox(input)
      await run(path, 'echo before > ~/deep/shared/k')
      await platform.kill('SIGKILL')
      await platform.start()
      assert.equal((await run(path, 'cat ~/deep/shared/k')).stdout, 'before\n')
      const paused = await platform.call('POST', `${path}/pause`)
      if (paused.ok) {
        await platform.json('POST', `${path}/resume`)
        assert.equal((await run(path, 'cat ~/deep/shared/k; echo after > ~/deep/shared/k')).stdout, 'before\n')
      }
      const saved = await platform.call('POST', `${path}/snapshots`)
      assert.equal(saved.status, 400)
      await platform.call('DELETE', path)
      assert.equal((await platform.call('DELETE', `/v1/volumes/${shared}`)).status, 204)
    })
  })
}

test('places of the system, twice the same and what is not there are refused', async () => {
  await platform.json('POST', '/v1/volumes', { name: 'v1' })
  await platform.json('POST', '/v1/volumes', { name: 'v2' })
  for (const [volumes, status] of [
    [[{ name: 'none', path: '/data' }], 404],
    [[{ name: 'v1', path: '/etc/x' }], 400],
    [[{ name: 'v1', path: '/' }], 400],
    [[{ name: 'v1', path: '/data/../etc' }], 400],
    [[{ name: 'v1', path: '/.warren/x' }], 400],
    [[{ name: 'v1', path: 'data' }], 400],
    [[{ name: 'v1', path: '/a:b' }], 400],
    [[...['v1', 'v2'].map((name) => ({ name, path: '/data' }))], 400],
    [
      [
        { name: 'v1', path: '/data' },
        { name: 'v2', path: '/data/in' },
      ],
      400,
    ],
    [
      [
        { name: 'v1', path: '/data' },
        { name: 'v1', path: '/more' },
      ],
      400,
    ],
  ] as const)
    assert.equal((await platform.call('POST', '/v1/sandboxes', { volumes })).status, status, JSON.stringify(volumes))
  for (const driver of ['microvm', 'unconfined']) {
    const refused = await platform.call('POST', '/v1/sandboxes', {
      volumes: [{ name: 'v1', path: '/data' }],
      isolation: { driver },
    })
    assert.ok(!refused.ok)
    const { message } = await refused.json()
    assert.match(message, /volumes|unconfined|driver/)
  }
})

test('what is in a volume is read and written with its token alone, and never led out of', async () => {
  const { volumeID, token } = await platform.json('POST', '/volumes', { name: 'content' })
  const other = await platform.json('POST', '/volumes', { name: 'content2' })
  const ask = (method: string, at: string, body?: string, bearer = token) =>
    platform.fetch(`/volumecontent/${volumeID}${at}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        ...(body === undefined
          ? {}
          : { 'content-type': method === 'PATCH' ? 'application/json' : 'application/octet-stream' }),
      },
      ...(body === undefined ? {} : { body }),
    })
  for (const wrong of [other.token, platform.key, 'x'])
    assert.equal((await ask('GET', '/dir?path=/', undefined, wrong)).status, 401)

  const written = await ask('PUT', '/file?path=/a/b.txt&mode=384', 'hello')
  assert.equal(written.status, 201, await written.clone().text())
  const entry: Answer = await written.json()
  assert.deepEqual([entry.path, entry.type, entry.size, entry.mode], ['/a/b.txt', 'file', 5, 0o600])
  assert.equal(await (await ask('GET', '/file?path=a/b.txt')).text(), 'hello')
  assert.equal((await ask('POST', '/dir?path=/d/e')).status, 404)
  assert.equal((await ask('POST', '/dir?path=/d/e&force=true')).status, 201)
  const listed: Answer = await (await ask('GET', '/dir?path=/&depth=3')).json()
  assert.deepEqual(listed.map((one: Answer) => one.path).sort(), ['/a', '/a/b.txt', '/d', '/d/e'])
  if (!lacks.root) {
    const changed: Answer = await (await ask('PATCH', '/path?path=/a/b.txt', JSON.stringify({ uid: 5, gid: 6 }))).json()
    assert.deepEqual([changed.uid, changed.gid, changed.mode], [5, 6, 0o600])
  }
  assert.equal((await ask('GET', '/path?path=/none')).status, 404)
  assert.equal((await ask('GET', '/file?path=/none')).status, 404)

  const path = await platform.sandbox({ volumes: [{ name: 'content', path: '/data' }] })
  const hostile =
    'cd /data && ln -s /etc/passwd leak && ln -s / root && ln -s ../../.. up && ln -s loop loop && ln -s a in'
  assert.equal((await run(path, hostile)).stderr, '')
  for (const at of ['leak', 'root/etc/passwd', 'up/etc/passwd', '../etc/passwd', 'root/.warren/guest', 'loop']) {
    const answer = await ask('GET', `/file?path=/${encodeURIComponent(at)}`)
    assert.ok([400, 404].includes(answer.status), `${at}: ${answer.status} ${await answer.text()}`)
  }
  for (const at of ['leak', 'root/tmp/x', 'up/tmp/x'])
    assert.equal((await ask('PUT', `/file?path=/${encodeURIComponent(at)}`, 'x')).status, 400, at)
  assert.equal((await ask('DELETE', '/path?path=/root/etc')).status, 400)
  assert.equal(await (await ask('GET', '/file?path=/in/b.txt')).text(), 'hello')
  const link: Answer = await (await ask('GET', '/path?path=/leak')).json()
  assert.deepEqual([link.type, link.target], ['symlink', '/etc/passwd'])
  assert.equal((await ask('DELETE', '/path?path=/leak')).status, 204)
  assert.equal((await ask('DELETE', '/path?path=/leak')).status, 404)
  assert.equal((await ask('DELETE', '/path?path=/')).status, 400)
  await platform.call('DELETE', path)
  assert.equal((await platform.call('DELETE', `/volumes/${volumeID}`)).status, 204)
  assert.equal((await ask('GET', '/dir?path=/')).status, 404)
})

function run(path: string, command: string): Promise<Answer> {
  return platform.json('POST', `${path}/execute`, { command })
}
