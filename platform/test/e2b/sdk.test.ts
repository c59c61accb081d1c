import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { type Answer, lacksOf, startPlatform, until } from '../platform.ts'
import { calls } from './calls.ts'
import { nameHere } from './names.ts'

const domain = 'box.example'
const platform = await startPlatform({ WARREN_DOMAIN: domain })
const lacks = await lacksOf(platform)
after(nameHere(domain))
tls.setDefaultCACertificates([await readFile(join(platform.home, 'tls', `${domain}.pem`), 'utf8')])
/** Two addresses, which are one; or a domain with TLS; and the key. */
const modes = {
  'zero-config': { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url },
  domain: { apiKey: platform.key, domain: `${domain}:${platform.port}` },
}
const proven = new Set<string>()

// Released clients, unmodified: the newer generation speaks to /v2 of the control plane, the older one does not.
const generations = { 'e2b 2.51': () => import('e2b'), 'e2b 2.45': () => import('e2b-2-45') }
for (const [generation, load] of Object.entries(generations)) {
  for (const [mode, options] of Object.entries(modes))
    describe(`${generation}, ${mode}`, () => prove(generation, load, [mode, options]))
}

test('every call that is said to work has been run', () => {
  const unproven = calls.filter(({ name, status, provenBy }) => status !== 'absent' && !provenBy && !proven.has(name))
  assert.deepEqual(
    unproven.map(({ name }) => name),
    [],
  )
})

function prove(generation: string, load: () => Promise<object>, [mode, options]: [mode: string, object]): void {
  const clientName = `${generation} ${mode}`
  // biome-ignore lint/suspicious/noExplicitAny: two releases of one client, driven as plain programs drive them
  let client: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let sandbox: any
  before(async () => {
    client = await load()
    sandbox = await client.Sandbox.create({ ...options, envs: { FROM: 'sandbox' }, metadata: { suite: clientName } })
  })
  after(() => sandbox.kill())

  /** A test that proves these calls of the table. */
  const proof = (names: string[], sentence: string, run: () => Promise<void>, skip: string | false = false) => {
    for (const name of names) {
      assert.ok(
        calls.some((call) => call.name === name),
        `${name} is in the table`,
      )
      proven.add(name)
    }
    test(`${names.join(', ')}: ${sentence}`, { skip }, run)
  }
  const rejects = (work: Promise<unknown>, name: string, message: RegExp) =>
    assert.rejects(work, (error: Error) => {
      assert.equal(error.name, name, `${error.name}: ${error.message}`)
      assert.match(error.message, message)
      return true
    })

  proof(['Sandbox.create', 'Sandbox.getInfo'], 'what was asked for is there', async () => {
    const info = await sandbox.getInfo()
    assert.equal(info.sandboxId, sandbox.sandboxId)
    assert.match(info.sandboxId, /^[a-z0-9]+$/)
    assert.equal(info.templateId, 'base')
    assert.deepEqual(info.metadata, { suite: clientName })
    assert.equal(info.state, 'running')
    assert.ok(Math.abs(info.endAt - info.startedAt - 300_000) < 1000, 'the default timeout is five minutes')
    assert.deepEqual(present(info.network), { allowPublicTraffic: true }, 'nothing is told that nobody asked for')
    const said = generation === 'e2b 2.45' ? true : undefined
    assert.equal(info.allowInternetAccess, said, 'the older client always says that it wants to reach all')
    await assert.rejects(client.Sandbox.create('nothing', options), /404.*"nothing"/)
    await assert.rejects(client.Sandbox.create({ ...options, apiKey: `e2b_${'0'.repeat(40)}` }), {
      name: 'AuthenticationError',
    })
    await assert.rejects(client.Sandbox.create({ ...options, timeoutMs: 90_000_000 }), /24 hours/)
  })

  proof(
    ['Sandbox.connect', 'sandbox.setTimeout'],
    'the time is set, and only ever extended by connecting',
    async () => {
      await sandbox.setTimeout(600_000)
      const { endAt } = await sandbox.getInfo()
      const again = await client.Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: 60_000 })
      assert.deepEqual((await sandbox.getInfo()).endAt, endAt)
      assert.equal((await again.commands.run('echo same')).stdout, 'same\n')
      await client.Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: 1_200_000 })
      assert.ok((await sandbox.getInfo()).endAt > endAt)
      await assert.rejects(client.Sandbox.connect('nosuchsandbox', options), /not found/)
      await assert.rejects(client.Sandbox.setTimeout('nosuchsandbox', 1000, options), /not found/)
    },
  )

  proof(['Sandbox.list'], 'page by page, filtered by metadata', async () => {
    const odd = { mark: `${clientName} ü&=/ %` }
    const others = await Promise.all([1, 2].map(() => client.Sandbox.create({ ...options, metadata: odd })))
    const ids = others.map(({ sandboxId }: Answer) => sandboxId).sort()
    const pages = client.Sandbox.list({ ...options, limit: 1, query: { metadata: odd, state: ['running'] } })
    const first = await pages.nextItems()
    assert.equal(first.length, 1)
    assert.equal(pages.hasNext, true)
    const second = await pages.nextItems()
    assert.equal(pages.hasNext, false)
    assert.ok(first[0].startedAt >= second[0].startedAt, 'newest first')
    assert.deepEqual([first[0].sandboxId, second[0].sandboxId].sort(), ids)
    assert.deepEqual(first[0].metadata, odd)
    const paused = client.Sandbox.list({ ...options, query: { metadata: odd, state: ['paused'] } })
    assert.deepEqual(await paused.nextItems(), [])
    await Promise.all(others.map((other: Answer) => other.kill()))
  })

  proof(['Sandbox.kill', 'sandbox.isRunning'], 'what runs in it breaks off, and it is gone', async () => {
    const doomed = await client.Sandbox.create(options)
    assert.equal(await doomed.isRunning(), true)
    const running = rejects(
      doomed.commands.run('echo on; sleep 60'),
      'TimeoutError',
      /killed or reached its end of life/,
    )
    await until('the command runs', async () => (await doomed.commands.list()).length === 1)
    assert.equal(await doomed.kill(), true)
    await running
    assert.equal(await doomed.isRunning(), false)
    assert.equal(await doomed.kill(), false)
    await assert.rejects(doomed.getInfo(), /not found|doesn't exist/)
    await assert.rejects(doomed.commands.run('true'))
  })

  proof(['sandbox.getMetrics'], 'what it uses', async () => {
    const [metrics] = await sandbox.getMetrics()
    assert.ok(metrics.timestamp instanceof Date)
    assert.equal(metrics.memTotal, 512 * 1024 * 1024)
    assert.ok(metrics.cpuCount >= 1 && metrics.diskTotal > 0)
    assert.deepEqual(await sandbox.getMetrics({ start: new Date(0), end: new Date(1000) }), [])
  })

  proof(['sandbox.getHost'], 'a server inside is reached without a key, unless its traffic is private', async () => {
    const server = 'mkdir -p /tmp/www && cd /tmp/www && echo served > index.html && exec python3 -m http.server 3000'
    const closed = await get(sandbox.getHost(3999))
    assert.equal(closed.status, 502)
    assert.deepEqual(JSON.parse(closed.body), {
      sandboxId: sandbox.sandboxId,
      message: 'The sandbox is running but port is not open',
      port: 3999,
      code: 502,
    })
    await sandbox.commands.run(server, { background: true })
    await until('it listens', async () => (await get(sandbox.getHost(3000))).status === 200)
    assert.equal((await get(sandbox.getHost(3000))).body, 'served\n')

    const hidden = await client.Sandbox.create({ ...options, network: { allowPublicTraffic: false } })
    await hidden.commands.run(server, { background: true })
    const token = { 'e2b-traffic-access-token': hidden.trafficAccessToken }
    await until('it listens', async () => (await get(hidden.getHost(3000), token)).status === 200)
    const refused = await get(hidden.getHost(3000))
    assert.equal(refused.status, 403)
    assert.equal(JSON.parse(refused.body).code, 403)
    assert.equal((await get(hidden.getHost(3000), { 'e2b-traffic-access-token': 'x' })).status, 403)
    await hidden.kill()
    const gone = await get(hidden.getHost(3000))
    assert.equal(gone.status, 502)
    assert.deepEqual(JSON.parse(gone.body), {
      sandboxId: hidden.sandboxId,
      message: 'The sandbox was not found',
      code: 502,
    })
  })

  proof(['commands.run'], 'output, exit, surroundings and limits', async () => {
    const chunks: string[] = []
    const result = await sandbox.commands.run('echo $FROM $ONE; pwd; id -un; printf err >&2', {
      envs: { ONE: '1' },
      cwd: '/tmp',
      onStdout: (text: string) => void chunks.push(text),
      onStderr: (text: string) => void chunks.push(text),
    })
    assert.deepEqual([result.exitCode, result.stdout, result.stderr], [0, 'sandbox 1\n/tmp\nuser\n', 'err'])
    assert.equal(chunks.join('').length, result.stdout.length + result.stderr.length)
    assert.equal(
      (await sandbox.commands.run('echo $E2B_SANDBOX $E2B_SANDBOX_ID')).stdout,
      `true ${sandbox.sandboxId}\n`,
    )
    const marks = await sandbox.commands.run('cd /run/e2b && tail -n +1 .E2B_SANDBOX .E2B_SANDBOX_ID .E2B_TEMPLATE_ID')
    assert.deepEqual(marks.stdout.match(/^[^=\n].*/gm), [`true`, sandbox.sandboxId, 'base'])
    assert.equal((await sandbox.commands.run('echo "[$ONE]"')).stdout, '[]\n', 'an environment is of one command')
    await rejects(sandbox.commands.run('exit 3'), 'CommandExitError', /exit status 3/)
    await rejects(
      sandbox.commands.run('true', { cwd: '/no/such' }),
      'InvalidArgumentError',
      /cwd '\/no\/such' does not exist/,
    )
    await rejects(
      sandbox.commands.run('true', { user: 'nobody-here' }),
      'AuthenticationError',
      /invalid username: 'nobody-here'/,
    )
    await rejects(sandbox.commands.run('sleep 60', { timeoutMs: 500 }), 'TimeoutError', /timed out|timeout/i)
    await until('it was killed', async () => !(await list(sandbox)).includes('sleep 60'))
    const bytes = await sandbox.commands.run("printf '\\xff'; echo ü")
    assert.equal(bytes.stdout, '\ufffdü\n')
  })

  proof(
    ['commands.run'],
    'as root',
    async () => assert.equal((await sandbox.commands.run('id -un; pwd', { user: 'root' })).stdout, 'root\n/root\n'),
    lacks.root,
  )

  proof(
    ['commands.list', 'commands.kill', 'commands.connect'],
    'in the background, joined by a second reader',
    async () => {
      const handle = await sandbox.commands.run('echo begun; sleep 0.5; while sleep 0.1; do echo beat; done', {
        background: true,
      })
      const found = (await sandbox.commands.list()).find(({ pid }: Answer) => pid === handle.pid)
      assert.equal(found.cmd, '/bin/bash')
      await until('the first reader hears the beginning', () => handle.stdout.startsWith('begun'))
      let heard = ''
      const onStdout = (text: string) => {
        heard += text
      }
      const joined = await sandbox.commands.connect(handle.pid, { onStdout })
      assert.equal(joined.pid, handle.pid)
      await until('the second reader hears it', () => heard.includes('beat'))
      assert.ok(!heard.includes('begun'), 'what came before is not told again')
      assert.equal(await sandbox.commands.kill(handle.pid), true)
      await rejects(handle.wait(), 'CommandExitError', /signal: killed/)
      await rejects(joined.wait(), 'CommandExitError', /signal: killed/)
      assert.equal(await sandbox.commands.kill(999_999), false)
      await rejects(sandbox.commands.connect(999_999), 'NotFoundError', /999999/)

      // Who goes away does not take the process along.
      const left = await sandbox.commands.run('sleep 30', { background: true })
      await left.disconnect()
      await sleep(200)
      assert.ok((await list(sandbox)).includes('sleep 30'))
      await sandbox.commands.kill(left.pid)
    },
  )

  proof(['commands.sendStdin'], 'input, also none, and its end', async () => {
    const handle = await sandbox.commands.run('cat', { background: true, stdin: true })
    await sandbox.commands.sendStdin(handle.pid, 'one\n')
    await sandbox.commands.sendStdin(handle.pid, '')
    await sandbox.commands.sendStdin(handle.pid, 'two\n')
    await until('it came back', () => handle.stdout === 'one\ntwo\n')
    if (sandbox.commands.closeStdin) {
      await sandbox.commands.closeStdin(handle.pid)
      assert.equal((await handle.wait()).exitCode, 0)
    } else await sandbox.commands.kill(handle.pid)
    const closed = await sandbox.commands.run('sleep 5', { background: true })
    await assert.rejects(sandbox.commands.sendStdin(closed.pid, 'x'))
    await sandbox.commands.kill(closed.pid)
  })

  proof(['pty.create', 'pty.sendInput', 'pty.resize', 'pty.kill'], 'a terminal', async () => {
    let screen = ''
    const onData = (bytes: Uint8Array) => {
      screen += Buffer.from(bytes)
    }
    const handle = await sandbox.pty.create({ cols: 80, rows: 24, onData, envs: { MARK: 'x1' } })
    await sandbox.pty.sendInput(handle.pid, Buffer.from('echo $MARK $TERM; stty size\n'))
    await until('the shell answers', () => /x1 xterm-256color\r\n24 80/.test(screen))
    await sandbox.pty.resize(handle.pid, { cols: 100, rows: 30 })
    await sandbox.pty.sendInput(handle.pid, Buffer.from('stty size\n'))
    await until('it has its new size', () => screen.includes('30 100'))
    assert.equal(await sandbox.pty.kill(handle.pid), true)
    await assert.rejects(handle.wait(), { name: 'CommandExitError' })
  })

  proof(['files.write', 'files.read', 'files.exists', 'files.getInfo'], 'content of every kind', async () => {
    const written = await sandbox.files.write('notes/a b.txt', 'hällo')
    assert.deepEqual(
      { path: written.path, name: written.name, type: written.type },
      { path: '/home/user/notes/a b.txt', name: 'a b.txt', type: 'file' },
    )
    assert.equal(await sandbox.files.read('notes/a b.txt'), 'hällo')
    assert.equal(await sandbox.files.read('/home/user/notes/a b.txt'), 'hällo')
    const bytes = new Uint8Array(3_000_000).map((_, at) => (at * 31) % 256)
    await sandbox.files.write('/tmp/bytes', bytes.buffer)
    assert.deepEqual(await sandbox.files.read('/tmp/bytes', { format: 'bytes' }), bytes)
    const several = await sandbox.files.write([
      { path: 'many/1', data: 'one' },
      { path: '/tmp/many/2', data: new Blob(['two']) },
    ])
    assert.deepEqual(
      several.map(({ path }: Answer) => path),
      ['/home/user/many/1', '/tmp/many/2'],
    )
    assert.equal(await sandbox.files.read('/tmp/many/2'), 'two')
    await sandbox.files.write('empty', '')
    assert.equal(await sandbox.files.read('empty'), '')
    assert.match(await sandbox.files.read('/proc/sys/kernel/random/boot_id'), /^[0-9a-f-]{36}\n$/)
    assert.equal(await sandbox.files.exists('many'), true)
    assert.equal(await sandbox.files.exists('many/none'), false)
    const info = await sandbox.files.getInfo('many/1')
    assert.deepEqual(
      [info.type, info.size, info.mode, info.permissions, info.owner, info.group, info.path],
      ['file', 3, 0o644, '-rw-r--r--', 'user', 'user', '/home/user/many/1'],
    )
    await rejects(sandbox.files.read('none'), 'FileNotFoundError', /path 'none' does not exist/)
    await rejects(sandbox.files.read('many'), 'InvalidArgumentError', /is a directory/)
    await rejects(sandbox.files.write('many', 'x'), 'InvalidArgumentError', /is a directory/)
  })

  proof(['files.write'], 'metadata stay with the file and are replaced', async () => {
    const labels = async (path: string) => (await sandbox.files.getInfo(path)).metadata
    const metadata = { Kind: 'a', other: 'b' }
    const kept = { kind: 'a', other: 'b' }
    await sandbox.files.write('labelled', 'x', { metadata })
    assert.deepEqual(await labels('labelled'), kept)
    const moved = await sandbox.files.rename('labelled', 'deep/moved')
    assert.deepEqual(moved.metadata, kept)
    const renamed = await sandbox.files.rename('deep', 'deeper')
    assert.equal(renamed.metadata, undefined)
    assert.deepEqual((await sandbox.files.list('deeper'))[0].metadata, kept)
    await sandbox.commands.run('ln -s deeper/moved link-to-it; echo more >> deeper/moved')
    assert.deepEqual(await labels('link-to-it'), kept, 'they are of what the link leads to')
    await sandbox.files.write('deeper/moved', 'y')
    assert.equal(await labels('deeper/moved'), undefined)
    await sandbox.files.write('deeper/moved', 'y', { metadata: { again: '1' } })
    await sandbox.files.remove('deeper')
    await sandbox.files.write('deeper/moved', 'z')
    assert.equal(await labels('deeper/moved'), undefined, 'another file of the same name has none')
    await sandbox.files.write('deeper/inside', 'z', { metadata })
    await sandbox.commands.run('rm deeper/inside; touch deeper/other deeper/inside')
    assert.equal(await labels('deeper/inside'), undefined, 'also where a program made it')
    await assert.rejects(sandbox.files.write('x', 'x', { metadata: { long: 'v'.repeat(4097) } }), /4096 bytes/)
  })

  proof(['files.list', 'files.makeDir', 'files.rename', 'files.remove'], 'trees', async () => {
    assert.equal(await sandbox.files.makeDir('tree/b/c'), true)
    assert.equal(await sandbox.files.makeDir('tree/b/c'), false)
    await sandbox.files.write('tree/a.txt', '1')
    await sandbox.files.write('tree/b/c/d.txt', '2')
    await sandbox.files.write('tree/b.txt', '3')
    await sandbox.commands.run('ln -s a.txt tree/link; ln -s nowhere tree/broken')
    const paths = (entries: Answer[]) => entries.map(({ path }) => path.slice('/home/user/tree/'.length))
    assert.deepEqual(paths(await sandbox.files.list('tree')), ['a.txt', 'b', 'b.txt', 'link'])
    const all = await sandbox.files.list('tree', { depth: 5 })
    assert.deepEqual(paths(all), ['a.txt', 'b', 'b/c', 'b/c/d.txt', 'b.txt', 'link'])
    const link = all.at(-1)
    assert.deepEqual([link.type, link.symlinkTarget], ['file', '/home/user/tree/a.txt'])
    const moved = await sandbox.files.rename('tree/b/c', 'tree/new/place')
    assert.deepEqual([moved.path, moved.type], ['/home/user/tree/new/place', 'dir'])
    assert.equal(await sandbox.files.read('tree/new/place/d.txt'), '2')
    await sandbox.files.remove('tree')
    await sandbox.files.remove('tree')
    assert.equal(await sandbox.files.exists('tree'), false)
    await rejects(sandbox.files.list('tree'), 'FileNotFoundError', /tree/)
    await rejects(sandbox.files.rename('tree', 'other'), 'FileNotFoundError', /tree/)
    await rejects(sandbox.files.makeDir('.bashrc'), 'InvalidArgumentError', /bashrc/)
  })

  proof(['files.watchDir'], 'what changes, in its order, in new folders too', async () => {
    await sandbox.files.makeDir('watched')
    const events: string[] = []
    const handle = await sandbox.files.watchDir(
      'watched',
      ({ type, name }: Answer) => void events.push(`${type} ${name}`),
      { recursive: true },
    )
    await sandbox.files.write('watched/new', 'x')
    await until('the write is told', () => events.length >= 3)
    assert.deepEqual(events.splice(0), ['create new', 'chmod new', 'write new'])
    await sandbox.files.write('watched/deep/er/file', 'x')
    await until('what is in a new folder is told', () => events.includes('create deep/er/file'))
    await sandbox.files.remove('watched/new')
    await until('the end is told', () => events.includes('remove new'))
    await handle.stop()
    await rejects(
      sandbox.files.watchDir('none', () => {}),
      'FileNotFoundError',
      /path 'none' does not exist/,
    )
    await rejects(
      sandbox.files.watchDir('watched/deep/er/file', () => {}),
      'InvalidArgumentError',
      /./,
    )
  })

  proof(['sandbox.downloadUrl', 'sandbox.uploadUrl'], 'addresses that carry their right with them', async () => {
    const form = new FormData()
    form.append('file', new Blob(['through an address']), 'ignored.txt')
    const up = await fetch(await sandbox.uploadUrl('signed.txt'), { method: 'POST', body: form })
    assert.equal(up.status, 200)
    assert.equal(((await up.json()) as Answer)[0].path, '/home/user/signed.txt')
    const address = await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: 60 })
    assert.equal(await (await fetch(address)).text(), 'through an address')
    for (const [wrong, message] of [
      [address.replace('signed.txt', 'other.txt'), 'invalid signature'],
      [address.replace(/&signature=[^&]*/, ''), 'missing signature query parameter'],
    ]) {
      const refused = await fetch(wrong)
      assert.deepEqual([refused.status, await refused.json()], [401, { code: 401, message }])
    }
    const late = await fetch(await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: -10 }))
    assert.deepEqual([late.status, await late.json()], [401, { code: 401, message: 'signature is already expired' }])
  })

  proof(['git.*'], 'are commands', async () => {
    if (!sandbox.git) return
    await sandbox.git.init('/home/user/repository')
    assert.match((await sandbox.commands.run('git -C repository status')).stdout, /No commits yet/)
  })

  proof(
    ['Template.build'],
    'a template is built, and a sandbox starts from it',
    async () => {
      const name = clientName.replace(/[^a-z0-9]/g, '-')
      const template = client.Template().fromBaseImage().runCmd('echo built >/home/user/built')
      const { templateId } = await client.Template.build(template, name, options)
      const built = await client.Sandbox.create(name, options)
      assert.equal((await built.commands.run('cat built')).stdout, 'built\n')
      const info = await built.getInfo()
      assert.deepEqual([info.templateId, info.name], [templateId, name])
      for (const template of [templateId, name])
        assert.deepEqual(
          (await platform.json('GET', `/v2/sandboxes?template=${template}`)).map(({ sandboxID }: Answer) => sandboxID),
          [built.sandboxId],
        )
      await built.kill()
    },
    lacks.root,
  )

  proof(['Template.exists'], 'the one template', async () => {
    assert.equal(await client.Template.exists('base', options), true)
    assert.equal(await client.Template.exists('nothing', options), false)
  })

  proof(['sandbox.updateNetwork'], 'replaces what may be reached, told in the words of who asked', async () => {
    const wish = { allowOut: ['9.9.9.9/24', '8.8.4.4'], denyOut: ['9.9.0.0/16'] }
    const open = await client.Sandbox.create({ ...options, network: wish })
    assert.deepEqual(present((await open.getInfo()).network), { ...wish, allowPublicTraffic: true })
    await open.updateNetwork({})
    const cleared = await open.getInfo()
    assert.deepEqual([present(cleared.network), cleared.allowInternetAccess], [{ allowPublicTraffic: true }, undefined])
    await open.kill()
    const closed = await client.Sandbox.create({ ...options, allowInternetAccess: false })
    assert.equal((await closed.getInfo()).allowInternetAccess, false)
    await closed.updateNetwork({ denyOut: ['0.0.0.0/0'] })
    assert.deepEqual((await closed.getInfo()).network.denyOut, ['0.0.0.0/0'])
    await assert.rejects(closed.updateNetwork({ allowOut: ['example.com'] }), /ALL_TRAFFIC/)
    await closed.kill()
  })

  proof(['Volume.*'], 'made, filled from outside and inside, listed and destroyed', async () => {
    if (!client.Volume) return
    const name = `volume-${clientName.replaceAll(/[^a-z0-9]/g, '-')}`
    const volume = await client.Volume.create(name, options)
    const content = 'apiUrl' in options ? { apiUrl: platform.url } : {}
    await volume.writeFile('/in/a.txt', 'from outside', content)
    const holder = await client.Sandbox.create({ ...options, volumeMounts: { '/data': name } })
    assert.equal((await holder.commands.run('cat /data/in/a.txt; echo inside > /data/b')).stdout, 'from outside')
    assert.equal(await volume.readFile('/b', content), 'inside\n')
    assert.deepEqual((await volume.list('/', content)).map(({ path }: Answer) => path).sort(), ['/b', '/in'])
    assert.equal(await volume.exists('/none', content), false)
    await volume.remove('/in', content)
    assert.equal(await volume.exists('/in', content), false)
    await holder.kill()
    assert.ok((await client.Volume.list(options)).some(({ volumeId }: Answer) => volumeId === volume.volumeId))
    assert.equal(await client.Volume.destroy(volume.volumeId, options), true)
    assert.equal(await client.Volume.destroy(volume.volumeId, options), false)
  })

  proof(['Secret.*'], 'kept, told of by pages, given a new value and destroyed', async () => {
    const { Secret } = client
    if (!Secret) return
    const name = (at: number) => `Secret-${clientName}-${at}`.replaceAll(/[^\w-]/g, '-')
    const made = await Secret.create(name(1), 'hunter2', { ...options, metadata: { team: 'a' } })
    await Secret.create(name(2), 'hunter2', options)
    assert.deepEqual([made.name, made.version, made.metadata], [name(1).toLowerCase(), 1, { team: 'a' }])
    await assert.rejects(Secret.create(name(1), 'again', options), /already/)
    assert.equal((await Secret.update(name(1), 'hunter3', options)).version, 2)
    assert.equal((await Secret.getInfo(made.secretId, options)).version, 2)
    const pages = Secret.list({ ...options, limit: 1 })
    const found: Answer[] = []
    while (pages.hasNext) {
      const page = await pages.nextItems()
      assert.equal(page.length, 1)
      found.push(...page)
    }
    assert.deepEqual(
      found.map(({ name }) => name).sort(),
      [name(1), name(2)].map((one) => one.toLowerCase()),
    )
    for (const at of [1, 2]) assert.equal(await Secret.destroy(name(at), options), true)
    assert.equal(await Secret.destroy(name(1), options), false)
    assert.equal(await Secret.exists(name(1), options), false)
    await assert.rejects(Secret.update(name(1), 'x', options), /not found/)
  })
}

/** Without what the client adds as undefined. */
function present(value: object): object {
  return JSON.parse(JSON.stringify(value))
}

async function list(sandbox: Answer): Promise<string> {
  return (await sandbox.commands.list()).flatMap(({ args }: Answer) => args).join(' ')
}

/** With the host name in the head only: not every machine knows names below localhost. */
function get(host: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get(platform.url, { headers: { ...headers, host } }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode!, body })
    })
    request.on('error', reject)
  })
}
