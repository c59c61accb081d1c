import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parseRange } from '../src/engine/network/addresses.ts'
import { runCommand } from '../src/lib/run-command.ts'
import { defaultLayerLimits } from '../src/templates/layers/layer-limits.ts'
import { type PullOptions, type PullProgress, pullImage } from '../src/templates/registry/pull.ts'
import { startFront } from './registry/front.ts'
import { hostArchitecture, pushBlob, pushImage, pushIndex, pushManifest } from './registry/image.ts'
import { type Entry, layer, sha256, tar } from './registry/layer.ts'
import { noRegistry, startRegistry, type TestRegistry, user } from './registry/registry.ts'

const guestBinary = join(import.meta.dirname, '../../guest/target/release/warren-guest')
const isRoot = process.getuid?.() === 0
const skip = isRoot ? noRegistry : 'only root unpacks layers'
const basic = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`

describe('images from a registry', { skip, timeout: 240_000 }, () => {
  let registry: TestRegistry
  let folder: string
  let options: PullOptions

  before(async () => {
    registry = await startRegistry()
    folder = mkdtempSync(join(tmpdir(), 'warren-images-'))
    const reach = { open: [parseRange('127.0.0.1')!], insecure: [] }
    options = { layersDir: join(folder, 'layers'), guestBinary, reach }
  })
  after(async () => {
    await registry?.close()
    await rm(folder, { recursive: true, force: true })
  })
  const pull = (name: string, more: Partial<PullOptions> = {}) =>
    pullImage(`${registry.host}/${name}`, { ...options, ...more })
  const pathOf = (sha256: string, path: string) => join(options.layersDir, sha256, path)
  const drafts = () => readdirSync(options.layersDir).filter((name) => name.endsWith('.draft'))

  test('an image is pulled: every layer in a folder of its own, and how it runs', async () => {
    const lower = layer([
      { path: 'etc/' },
      { path: 'etc/motd', content: 'below', mode: 0o640, uid: 7, gid: 8 },
      { path: 'etc/old', content: 'gone later' },
      { path: 'bin/', mode: 0o711 },
      { path: 'bin/tool', content: '#!', mode: 0o4755 },
      { path: 'bin/same', type: '1', linkPath: 'bin/tool' },
      { path: 'lib', type: '2', linkPath: '/usr/lib', uid: 3 },
      { path: 'run/pipe', type: '6', mode: 0o620 },
      { path: `deep/${'long/'.repeat(30)}name`, content: 'deep' },
    ])
    const upper = layer(
      [
        { path: 'etc/' },
        { path: 'etc/.wh.old' },
        { path: 'bin/' },
        { path: 'bin/.wh..wh..opq' },
        { path: 'größe', content: 'ü' },
      ],
      'zstd',
    )
    const config = {
      Env: ['PATH=/bin', 'EMPTY='],
      WorkingDir: '/srv',
      User: '1000',
      Cmd: ['serve', '-x'],
      Entrypoint: ['/init'],
    }
    await pushImage(registry, 'team/app', '1.0', { layers: [lower, upper], config })

    const progress: PullProgress[] = []
    const image = await pull('team/app:1.0', { onProgress: (one) => progress.push(one) })

    assert.deepEqual(image.layers, [lower.diffId, upper.diffId])
    assert.deepEqual(image.config, {
      env: { PATH: '/bin', EMPTY: '' },
      workdir: '/srv',
      user: '1000',
      cmd: ['serve', '-x'],
      entrypoint: ['/init'],
    })
    assert.match(image.reference, /^127\.0\.0\.1:\d+\/team\/app:1\.0@sha256:[0-9a-f]{64}$/)
    const motd = lstatSync(pathOf(lower.diffId, 'etc/motd'))
    assert.deepEqual([motd.mode & 0o7777, motd.uid, motd.gid, motd.mtimeMs], [0o640, 7, 8, 1_700_000_000_000])
    assert.equal(readFileSync(pathOf(lower.diffId, 'etc/motd'), 'utf8'), 'below')
    assert.equal(lstatSync(pathOf(lower.diffId, 'bin')).mode & 0o7777, 0o711)
    assert.equal(lstatSync(pathOf(lower.diffId, 'bin')).mtimeMs, 1_700_000_000_000)
    assert.equal(lstatSync(pathOf(lower.diffId, 'bin/tool')).mode & 0o7777, 0o4755)
    assert.equal(lstatSync(pathOf(lower.diffId, 'bin/tool')).ino, lstatSync(pathOf(lower.diffId, 'bin/same')).ino)
    assert.equal(readlinkSync(pathOf(lower.diffId, 'lib')), '/usr/lib')
    assert.equal(lstatSync(pathOf(lower.diffId, 'lib')).uid, 3)
    assert.ok(lstatSync(pathOf(lower.diffId, 'run/pipe')).isFIFO())
    assert.equal(lstatSync(pathOf(lower.diffId, 'run/pipe')).mode & 0o7777, 0o620)
    assert.equal(readFileSync(pathOf(lower.diffId, `deep/${'long/'.repeat(30)}name`), 'utf8'), 'deep')
    const gone = lstatSync(pathOf(upper.diffId, 'etc/old'))
    assert.deepEqual([gone.isCharacterDevice(), gone.rdev], [true, 0])
    assert.equal(readFileSync(pathOf(upper.diffId, 'größe'), 'utf8'), 'ü')
    assert.equal(lstatSync(options.layersDir).mode & 0o777, 0o700)
    assert.deepEqual(drafts(), [])
    assert.ok(progress.some(({ state, bytes, totalBytes }) => state === 'downloading' && bytes === totalBytes))
    assert.equal(progress.filter(({ state }) => state === 'ready').length, 2)
  })

  test('overlayfs shows the layers as the image means them', async (t) => {
    const lower = layer([
      { path: 'a/one', content: '1' },
      { path: 'a/two', content: '2' },
      { path: 'b/three', content: '3' },
    ])
    const upper = layer([
      { path: 'a/.wh.one' },
      { path: 'b/.wh..wh..opq' },
      { path: 'b/four', content: '4' },
      // Hidden and there again: only what was below is gone.
      { path: '.wh.c' },
      { path: 'c/five', content: '5' },
    ])
    const lowest = layer([{ path: 'c/six', content: '6' }])
    await pushImage(registry, 'overlay', 'latest', { layers: [lowest, lower, upper] })
    const { layers } = await pull('overlay')
    const place = mkdtempSync(join(folder, 'mount-'))
    const data = `lowerdir=${layers
      .map((name) => join(options.layersDir, name))
      .reverse()
      .join(':')}`
    const mounted = await runCommand(['mount', '-t', 'overlay', 'overlay', '-o', `${data},ro`, place], {
      timeoutMs: 10_000,
    })
    if (!mounted.ok) return t.skip(`this host does not mount overlayfs: ${mounted.failure}`)
    try {
      const seen = readdirSync(place, { recursive: true }).sort()
      assert.deepEqual(seen, ['a', 'a/two', 'b', 'b/four', 'c', 'c/five'])
    } finally {
      await runCommand(['umount', place], { timeoutMs: 10_000 })
    }
  })

  test('an index of several processors leads to that of this host, or to the one that is asked for', async () => {
    const [own, other] = [layer([{ path: 'own' }]), layer([{ path: 'other' }])]
    const foreign = hostArchitecture === 'amd64' ? 'arm64' : 'amd64'
    const manifests = [
      {
        ...(await pushImage(registry, 'many', 'a', { layers: [other], architecture: foreign })),
        platform: { os: 'linux', architecture: foreign },
      },
      {
        ...(await pushImage(registry, 'many', 'b', { layers: [own] })),
        platform: { os: 'linux', architecture: hostArchitecture },
      },
      {
        ...(await pushImage(registry, 'many', 'c', { layers: [own] })),
        platform: { os: 'unknown', architecture: 'unknown' },
      },
    ]
    const index = await pushIndex(registry, 'many', 'latest', manifests)
    assert.deepEqual((await pull('many')).layers, [own.diffId])
    assert.deepEqual((await pull(`many@${index.digest}`)).layers, [own.diffId])
    assert.deepEqual((await pull('many', { platform: `linux/${foreign}` })).layers, [other.diffId])
    await assert.rejects(pull('many', { platform: 'linux/s390x' }), { code: 'not_found', hint: /amd64/ })
    await assert.rejects(pull('many:a'), { code: 'invalid_request', message: new RegExp(`is for linux/${foreign}`) })
  })

  test("Docker's types, plain archives and layers that come twice", async () => {
    const [one, two] = [layer([{ path: 'one' }], 'docker'), layer([{ path: 'two' }], 'none')]
    await pushImage(registry, 'docker', 'latest', { layers: [one, two, one], docker: true })
    assert.deepEqual((await pull('docker')).layers, [one.diffId, two.diffId, one.diffId])
  })

  test('a layer that is there is not asked for again', async () => {
    const front = await startFront(registry.url)
    try {
      const only = layer([{ path: 'cached', content: 'x' }])
      await pushImage(registry, 'cached', 'latest', { layers: [only] })
      await pull('cached')
      await pullImage(`${front.host}/cached`, options)
      assert.deepEqual(
        front.asked.map(({ url }) => url.split('/')[3]),
        ['manifests', 'blobs'],
      )
    } finally {
      await front.close()
    }
  })

  test('kill -9 at any step of a pull: the next one succeeds', async () => {
    const only = layer([{ path: 'one', content: '1' }])
    await pushImage(registry, 'killed', 'latest', { layers: [only] })
    const source = (path: string) => JSON.stringify(join(import.meta.dirname, '../src', path))
    const layersDir = join(folder, 'killed')
    const program = `
      import { tracingChannel } from 'node:diagnostics_channel'
      import { pullImage } from ${source('templates/registry/pull.ts')}
      let left = Number(process.argv[1])
      const count = () => { if (left-- === 0) process.kill(process.pid, 'SIGKILL') }
      tracingChannel('warren.step').subscribe({ start: count, asyncEnd: count })
      const options = ${JSON.stringify({ ...options, layersDir })}
      await pullImage(${JSON.stringify(`${registry.host}/killed`)}, options)`
    for (let point = 0; ; point++) {
      await rm(layersDir, { recursive: true, force: true })
      const run = () =>
        runCommand([process.execPath, '--input-type=module', '-e', program, String(point)], { timeoutMs: 30_000 })
      const { ok, failure, stderr } = await run()
      // Whatever has its name is whole.
      const place = join(layersDir, only.diffId)
      if (existsSync(place)) assert.deepEqual(readdirSync(place), ['one'])
      const { layers } = await pull('killed', { layersDir })
      assert.deepEqual(readdirSync(join(layersDir, layers[0]!)), ['one'])
      if (ok) return assert.ok(point > 10, `${point} points`)
      assert.match(failure, /SIGKILL/, `point ${point}: ${stderr}`)
    }
  })

  test('what is not there is said', async () => {
    await assert.rejects(pull('nobody/nothing'), {
      code: 'not_found',
      message: /has no manifests of nobody\/nothing named latest/,
    })
    await assert.rejects(pullImage('127.0.0.1:1/x', options), { code: 'unavailable', message: /ECONNREFUSED/ })
  })

  describe('with a password', () => {
    let closed: TestRegistry
    before(async () => {
      closed = await startRegistry({ withPassword: true })
      await pushImage({ url: closed.url, authorization: basic }, 'private', 'latest', {
        layers: [layer([{ path: 'secret' }])],
      })
    })
    after(() => closed?.close())

    test('Basic: right ones pull, wrong ones and none are refused', async () => {
      const { layers } = await pullImage(`${closed.host}/private`, {
        ...options,
        credentials: { type: 'registry', ...user },
      })
      assert.equal(layers.length, 1)
      await assert.rejects(pullImage(`${closed.host}/private`, options), {
        code: 'forbidden',
        hint: /give credentials/,
      })
      const wrong = { type: 'registry', username: 'tester', password: 'no' } as const
      await assert.rejects(pullImage(`${closed.host}/private`, { ...options, credentials: wrong }), {
        code: 'forbidden',
      })
    })

    test('Bearer: a token is asked for with the password, and the registry with the token', async () => {
      const scopes: (string | null)[] = []
      const token = 'a-token-of-ten-minutes'
      const front = await startFront(undefined, {
        answer: (asked, answer) => {
          const url = new URL(asked.url!, 'http://front')
          if (url.pathname === '/token') {
            scopes.push(url.searchParams.get('scope'), url.searchParams.get('service'))
            const known = asked.headers.authorization === basic
            answer.writeHead(known ? 200 : 401).end(JSON.stringify({ token }))
            return true
          }
          if (asked.headers.authorization === `Bearer ${token}`) {
            const passOn = { location: `http://${front.host}/open${asked.url}` }
            answer.writeHead(url.pathname.startsWith('/open') ? 500 : 307, passOn).end()
            return true
          }
          const realm = `Bearer realm="http://${front.host}/token",service="the registry",scope="repository:private:pull"`
          answer.writeHead(401, { 'www-authenticate': realm }).end()
          return true
        },
      })
      try {
        const credentials = { type: 'registry', ...user } as const
        await assert.rejects(pullImage(`${front.host}/private`, { ...options, credentials }), {
          code: 'unavailable',
          message: /500/,
        })
        assert.deepEqual(scopes, ['repository:private:pull', 'the registry'])
        await assert.rejects(pullImage(`${front.host}/private`, options), { code: 'forbidden' })
      } finally {
        await front.close()
      }
    })
  })

  describe('a registry that cannot be relied on', () => {
    test('a download that breaks is taken up where it broke', async () => {
      const big = layer(
        [{ path: 'big', content: Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7919) >> (i % 11))) }],
        'none',
      )
      await pushImage(registry, 'broken', 'latest', { layers: [big] })
      let broken = 0
      const front = await startFront(registry.url, {
        meddle: (_asked, from, answer) => {
          if (Number(from.headers['content-length']) < 500_000 || broken === 3) return false
          broken++
          answer.writeHead(from.statusCode!, from.headers)
          let passed = 0
          from.on('data', (chunk) => {
            passed += chunk.length
            if (passed < 700_000) answer.write(chunk)
            else answer.destroy()
          })
          return true
        },
      })
      try {
        assert.deepEqual((await pullImage(`${front.host}/broken`, options)).layers, [big.diffId])
        assert.equal(broken, 3)
        assert.match(front.asked.at(-1)!.headers.range ?? '', /^bytes=[1-9]\d+-$/)
      } finally {
        await front.close()
      }
    })

    test('asked too often, it is asked again later', async () => {
      await pushImage(registry, 'busy', 'latest', { layers: [layer([{ path: 'busy' }])] })
      let refused = 0
      const front = await startFront(registry.url, {
        answer: (_asked, answer) => {
          if (++refused > 2) return false
          answer.writeHead(refused === 1 ? 429 : 503, { 'retry-after': '1' }).end()
          return true
        },
      })
      try {
        assert.equal((await pullImage(`${front.host}/busy`, options)).layers.length, 1)
      } finally {
        await front.close()
      }
    })

    test('content that is not what its digest says is refused, and nothing of it stays', async () => {
      const good = layer([{ path: 'good' }])
      await pushImage(registry, 'forged', 'latest', { layers: [good] })
      const forged = gzipSync(tar([{ path: 'evil' }]))
      for (const what of ['manifests', 'blobs']) {
        const front = await startFront(registry.url, {
          meddle: (asked, _from, answer) => {
            if (!asked.url!.includes(`/${what}/sha256:`)) return false
            answer.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }).end(forged)
            return true
          },
        })
        const { reference } = await pull('forged')
        const digest = reference.split('@')[1]
        await rm(join(options.layersDir, good.diffId), { recursive: true })
        await assert.rejects(pullImage(`${front.host}/forged@${digest}`, options), {
          code: 'invalid_request',
          message: /is not what it says/,
        })
        await front.close()
      }
      assert.deepEqual(drafts(), [])
    })

    test('a layer that unpacks to something else than the image says is refused', async () => {
      const claimed = sha256(Buffer.from('something else'))
      await pushImage(registry, 'lying', 'latest', { layers: [layer([{ path: 'x' }])], diffIds: [claimed] })
      await assert.rejects(pull('lying'), { code: 'invalid_request', message: /is not what it says: unpacked it is/ })
      assert.ok(!readdirSync(options.layersDir).includes(claimed))
      assert.deepEqual(drafts(), [])
    })

    test('manifests that make no sense are refused', async () => {
      const blob = await pushBlob(registry, 'odd', Buffer.from('{}'))
      const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...blob }
      const type = 'application/vnd.oci.image.manifest.v1+json'
      await pushManifest(registry, 'odd', 'sbom', type, {
        config: { ...config, mediaType: 'application/vnd.example+json' },
        layers: [],
      })
      await pushManifest(registry, 'odd', 'empty', type, { config, layers: [] })
      await assert.rejects(pull('odd:sbom'), { code: 'invalid_request', message: /is no image of a file system/ })
      await assert.rejects(pull('odd:empty'), {
        code: 'invalid_request',
        message: /configuration of the image is not as it should be/,
      })
    })

    test('a pull that is cancelled ends, and leaves nothing half done', async () => {
      await pushImage(registry, 'endless', 'latest', {
        layers: [layer([{ path: 'endless', content: 'x'.repeat(100) }])],
      })
      const cancelled = new AbortController()
      const front = await startFront(registry.url, {
        meddle: (asked, from, answer) => {
          if (!asked.url!.includes('/blobs/') || Number(from.headers['content-length']) > 200) return false
          answer.writeHead(from.statusCode!, from.headers)
          answer.write('x')
          setImmediate(() => cancelled.abort(new Error('enough')))
          return true
        },
      })
      try {
        await assert.rejects(pullImage(`${front.host}/endless`, { ...options, signal: cancelled.signal }), {
          message: 'enough',
        })
        assert.deepEqual(drafts(), [])
      } finally {
        await front.close()
      }
    })
  })

  describe('a name that leads into this network', () => {
    test('is refused unless the operator opens it', async () => {
      const reach = { open: [], insecure: [] }
      for (const host of [
        '127.0.0.1:5000',
        'localhost:5000',
        '[::1]:5000',
        '169.254.169.254',
        '10.0.0.1:5000',
        '192.168.1.1',
      ])
        await assert.rejects(
          pullImage(`${host}/x`, { ...options, reach }),
          { code: 'forbidden', message: /which is/ },
          host,
        )
    })

    test('is not followed to where it is closed, nor over plain HTTP to where it need not be', async () => {
      const seen: string[] = []
      const closed = await startFront(undefined, {
        address: '127.0.0.2',
        answer: (asked, answer) => {
          seen.push(asked.url!)
          answer.writeHead(200).end('{}')
          return true
        },
      })
      for (const location of [
        `http://${closed.host}/`,
        'http://169.254.169.254/latest/meta-data',
        'http://example.com/',
        'file:///etc/passwd',
      ]) {
        const front = await startFront(undefined, {
          answer: (_asked, answer) => {
            answer.writeHead(307, { location }).end()
            return true
          },
        })
        await assert.rejects(pullImage(`${front.host}/x`, options), { code: 'forbidden' }, location)
        await front.close()
      }
      // Nor to ask for a token.
      const front = await startFront(undefined, {
        answer: (_asked, answer) => {
          answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${closed.host}/token"` }).end()
          return true
        },
      })
      await assert.rejects(pullImage(`${front.host}/x`, options), { code: 'forbidden' })
      await front.close()
      assert.deepEqual(seen, [])
      await closed.close()
    })

    test('what proves who asks does not go on to another host', async () => {
      const other = await startFront(undefined, { answer: (_asked, answer) => !!answer.writeHead(404).end() })
      const front = await startFront(undefined, {
        answer: (asked, answer) => {
          if (!asked.headers.authorization) answer.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
          else answer.writeHead(307, { location: `http://${other.host}${asked.url}` }).end()
          return true
        },
      })
      const credentials = { type: 'registry', ...user } as const
      await assert.rejects(pullImage(`${front.host}/x`, { ...options, credentials }), { code: 'not_found' })
      assert.deepEqual(
        other.asked.map(({ headers }) => headers.authorization),
        [undefined],
      )
      assert.equal(front.asked.at(-1)!.headers.authorization, basic)
      await front.close()
      await other.close()
    })
  })

  describe('a hostile layer is refused, and nothing is written outside of its folder', () => {
    const hostile: Record<string, { entries: Entry[]; says: RegExp }> = {
      'a path with ..': { entries: [{ path: '../evil', content: 'x' }], says: /leads out of it/ },
      'a path with .. in the middle': { entries: [{ path: 'a/../../evil', content: 'x' }], says: /leads out of it/ },
      'a file below a link': {
        entries: [
          { path: 'out', type: '2', linkPath: 'OUTSIDE' },
          { path: 'out/evil', content: 'x' },
        ],
        says: /no directory of the same layer/,
      },
      'a directory below a link': {
        entries: [{ path: 'out', type: '2', linkPath: 'OUTSIDE' }, { path: 'out/evil/' }],
        says: /no directory of the same layer/,
      },
      'a whiteout below a link': {
        entries: [{ path: 'out', type: '2', linkPath: 'OUTSIDE' }, { path: 'out/.wh.victim' }],
        says: /no directory of the same layer/,
      },
      'a hard link through a link': {
        entries: [
          { path: 'out', type: '2', linkPath: 'OUTSIDE' },
          { path: 'got', type: '1', linkPath: 'out/victim' },
        ],
        says: /no file of the same layer/,
      },
      'a hard link outside': { entries: [{ path: 'got', type: '1', linkPath: '../victim' }], says: /leads out of it/ },
      'an absolute hard link': {
        entries: [{ path: 'got', type: '1', linkPath: '/etc/passwd' }],
        says: /no file of the same layer/,
      },
      'a file below a file': { entries: [{ path: 'a' }, { path: 'a/b' }], says: /no directory of the same layer/ },
      'a device': { entries: [{ path: 'null', type: '3' }], says: /a device/ },
      'a disk': { entries: [{ path: 'sda', type: '4' }], says: /a device/ },
      'a sparse file': { entries: [{ path: 'sparse', type: 'S' }], says: /sparse/ },
      'a whiteout of nothing': { entries: [{ path: '.wh..' }], says: /whiteout for no name/ },
      'a whiteout of the parent': { entries: [{ path: 'a/.wh...' }], says: /whiteout for no name/ },
      'a root that is a file': { entries: [{ path: '.', type: '0' }], says: /root is no directory/ },
      'a name too long': { entries: [{ path: 'n'.repeat(300) }], says: /more than 255 bytes/ },
      'an unknown kind': { entries: [{ path: 'x', type: '9' }], says: /unknown kind/ },
    }
    for (const [name, { entries, says }] of Object.entries(hostile)) {
      test(name, async () => {
        const outside = mkdtempSync(join(folder, 'outside-'))
        const aimed = entries.map((entry) => ({
          ...entry,
          linkPath: entry.linkPath?.replace('OUTSIDE', outside) ?? '',
        }))
        await pushImage(registry, 'hostile', 'latest', { layers: [layer(aimed)] })
        await assert.rejects(pull('hostile'), { code: 'invalid_request', message: says })
        assert.deepEqual(readdirSync(outside), [])
        assert.deepEqual(drafts(), [])
      })
    }

    test('an absolute path is one inside; a link that is replaced is not gone through', async () => {
      const outside = mkdtempSync(join(folder, 'outside-'))
      const one = layer([
        { path: '/etc/inside', content: 'x' },
        { path: 'out', type: '2', linkPath: outside },
        { path: 'out/' },
        { path: 'out/file', content: 'x' },
        { path: 'link', type: '2', linkPath: join(outside, 'made') },
        { path: 'link', content: 'x' },
        { path: 'tree/a/b' },
        { path: 'tree', content: 'now a file' },
      ])
      await pushImage(registry, 'replaced', 'latest', { layers: [one] })
      await pull('replaced')
      assert.deepEqual(readdirSync(outside), [])
      assert.ok(lstatSync(pathOf(one.diffId, 'etc/inside')).isFile())
      assert.ok(lstatSync(pathOf(one.diffId, 'out')).isDirectory())
      assert.ok(lstatSync(pathOf(one.diffId, 'link')).isFile())
      assert.equal(readFileSync(pathOf(one.diffId, 'tree'), 'utf8'), 'now a file')
    })

    test('bombs: too many bytes, too many entries, bytes that belong to nothing', async () => {
      const limits = { ...defaultLayerLimits, bytes: 1_000_000, entries: 10 }
      const zeros = layer([{ path: 'zeros', content: Buffer.alloc(50_000_000) }], 'zstd')
      const many = layer(Array.from({ length: 11 }, (_, i) => ({ path: `f${i}` })))
      const nothing = layer(Buffer.alloc(50_000_000))
      for (const bomb of [zeros, many, nothing]) {
        await pushImage(registry, 'bomb', 'latest', { layers: [bomb] })
        await assert.rejects(pull('bomb', { limits }), { code: 'too_large' })
      }
      assert.deepEqual(drafts(), [])
    })

    test('archives that are cut off or no archives', async () => {
      const whole = tar([{ path: 'a', content: 'x'.repeat(2000) }])
      const cut = [whole.subarray(0, 1000), Buffer.from('not an archive'), Buffer.alloc(1024, 'x')]
      for (const archive of cut) {
        await pushImage(registry, 'cut', 'latest', { layers: [layer(archive)] })
        await assert.rejects(pull('cut'), { code: 'invalid_request' })
      }
      const broken = { ...layer(whole), content: gzipSync(whole).subarray(0, 60) }
      await pushImage(registry, 'cut', 'latest', { layers: [broken] })
      await assert.rejects(pull('cut'), { code: 'invalid_request', message: /cannot be decompressed/ })
    })
  })
})
