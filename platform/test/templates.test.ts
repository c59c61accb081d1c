import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Answer, lacksOf, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)
const folder = await mkdtemp(join(tmpdir(), 'warren-template-'))
after(() => rm(folder, { recursive: true, force: true }))

/** Begins a build and waits for its end. */
async function build(body: object): Promise<Answer> {
  const { template, id } = await platform.json('POST', '/v1/templates', body)
  return until(
    'the build has ended',
    async () => {
      const found = await platform.json('GET', `/v1/templates/${template}/builds/${id}?limit=1000`)
      return ['ready', 'error'].includes(found.state) && found
    },
    90_000,
  )
}

/** Uploads an archive that `tar` makes with these arguments in the test's folder. */
async function upload(...argv: string[]): Promise<string> {
  const { stdout, status, stderr } = spawnSync('tar', ['-c', ...argv], { cwd: folder, maxBuffer: 1 << 26 })
  assert.equal(status, 0, String(stderr))
  const hash = createHash('sha256').update(stdout).digest('hex')
  const { status: put } = await platform.call('PUT', `/v1/templates/uploads/${hash}`, stdout)
  assert.equal(put, 204)
  return hash
}

const run = (command: string, user = 'root') => ({ type: 'RUN', args: [command, user] })

async function inSandbox(template: string, command: string, user = 'user'): Promise<string> {
  const path = await platform.sandbox({ template })
  const { stdout, stderr, exitCode } = await platform.json('POST', `${path}/execute`, { command, user })
  await platform.call('DELETE', path)
  assert.equal(exitCode, 0, stderr)
  return stdout
}

describe('templates', { skip: lacks.root }, () => {
  test('a build answers with its log, and its sandboxes have what was done', async () => {
    const made = await build({
      name: 'made',
      steps: [
        run('echo 1 >/etc/made; rm /etc/shells'),
        { type: 'WORKDIR', args: ['/srv/app'] },
        { type: 'ENV', args: ['A', 'b'] },
      ],
      memoryMb: 300,
    })
    assert.equal(made.state, 'ready', JSON.stringify(made))
    assert.ok(made.log.some(({ message }: Answer) => message.includes('RUN echo 1')))
    assert.equal(
      await inSandbox('made', 'cat /etc/made; ls /etc/shells 2>/dev/null; pwd; echo $A'),
      '1\n/srv/app\nb\n'.replace('1\n', '1\n'),
    )
    const { templates } = await platform.json('GET', '/v1/templates')
    const found = templates.find(({ name }: Answer) => name === 'made')
    assert.deepEqual([found.state, found.tags, found.memoryMb], ['ready', ['default'], 300])
  })

  test('one template is built on another, whose layers both share', async () => {
    const before = await layers()
    await build({ name: 'lower', steps: [run('echo lower >/opt/lower')] })
    const upper = await build({ name: 'upper', from: { template: 'lower' }, steps: [run('echo upper >/opt/upper')] })
    assert.equal(upper.state, 'ready')
    assert.equal(await inSandbox('upper', 'cat /opt/*'), 'lower\nupper\n')
    assert.equal((await layers()).length, before.length + 2)
  })

  test('a sandbox cannot change the layers that others start from', async () => {
    await build({ name: 'shared', steps: [run('echo first >/opt/shared; chmod 666 /opt/shared')] })
    assert.equal(await inSandbox('shared', 'echo second >/opt/shared; cat /opt/shared'), 'second\n')
    assert.equal(await inSandbox('shared', 'cat /opt/shared'), 'first\n')
  })

  test('a pause and a snapshot keep what was written over the layers', async () => {
    await build({ name: 'kept', steps: [run('echo below >/opt/below')] })
    const path = await platform.sandbox({ template: 'kept' })
    await platform.json('POST', `${path}/execute`, { command: 'echo above >/opt/above', user: 'root' })
    const taken = await platform.call('POST', `${path}/snapshots`, {})
    const snapshot = await taken.json()
    assert.equal(taken.status, 201, JSON.stringify(snapshot))
    const again = await platform.sandbox({ snapshot: snapshot.id })
    const { stdout } = await platform.json('POST', `${again}/execute`, { command: 'cat /opt/*' })
    assert.equal(stdout, 'above\nbelow\n')
    for (const one of [path, again]) await platform.call('DELETE', one)
  })

  test('an archive that tries to leave its place changes nothing but the sandbox that it is unpacked in', async () => {
    await writeFile(join(folder, 'victim'), 'slipped')
    const outside = join(folder, 'outside')
    const slip = await upload(
      '--absolute-names',
      `--transform=s,victim,${'../'.repeat(12)}${outside.slice(1)},`,
      'victim',
    )
    await build({ name: 'slip', steps: [{ type: 'COPY', args: ['.', '/opt/slip'], filesHash: slip }] })
    await assert.rejects(access(outside))
    await mkdir(join(folder, 'links'))
    await symlink('/etc', join(folder, 'links/etc'))
    const links = await upload('links')
    const made = await build({
      name: 'links',
      steps: [
        run('ln -s /etc /srv/elsewhere'),
        { type: 'WORKDIR', args: ['/srv/elsewhere'] },
        { type: 'COPY', args: ['links', './'], filesHash: links },
      ],
    })
    assert.equal(made.state, 'ready', made.reason?.message)
    assert.equal(await inSandbox('links', 'readlink /etc/etc'), '/etc\n')
    await assert.rejects(access('/etc/etc'))
  })

  test('device nodes, too large archives and sources outside of the upload are refused', async () => {
    const device = join(folder, 'device')
    assert.equal(spawnSync('mknod', [device, 'c', '1', '5']).status, 0)
    const devices = await upload('device')
    const node = await build({
      name: 'device',
      steps: [{ type: 'COPY', args: ['device', '/opt/'], filesHash: devices }],
    })
    assert.equal(node.state, 'error')
    assert.match(node.reason.message, /mknod|not permitted/i)
    assert.equal(node.reason.step, '1')

    const out = await build({
      name: 'out',
      steps: [{ type: 'COPY', args: ['../../etc', '/opt/'], filesHash: devices }],
    })
    assert.match(out.reason.message, /outside of what was uploaded/)
    const none = await build({
      name: 'none',
      steps: [{ type: 'COPY', args: ['x', '/opt/'], filesHash: '0'.repeat(64) }],
    })
    assert.match(none.reason.message, /nothing was uploaded/)
  })

  test('what a build writes is bounded by its disk', async () => {
    const bomb = await build({ name: 'bomb', steps: [run('fallocate -l 20G /opt/bomb')] })
    assert.equal(bomb.state, 'error')
    assert.match(bomb.reason.message, /exit status 1/)
  })

  test('a build that was cut off by a crash goes on with the step that it was at', async () => {
    const begun = await platform.json('POST', '/v1/templates', {
      name: 'crashed',
      steps: [run('echo once >/opt/once'), run('sleep 2; echo twice >/opt/twice')],
    })
    const path = `/v1/templates/${begun.template}/builds/${begun.id}`
    const said = async () => (await platform.json('GET', path)).log.map(({ message }: Answer) => message)
    await until('the second step has begun', async () => (await said()).some((line: string) => /2\/2/.test(line)))
    await platform.kill('SIGKILL')
    await platform.start()
    await until('the build is ready', async () => (await platform.json('GET', path)).state === 'ready', 60_000)
    assert.ok((await said()).some((line: string) => /^CACHED.*1\/2/.test(line)))
    assert.equal(await inSandbox('crashed', 'cat /opt/*'), 'once\ntwice\n')
  })

  test('a sandbox of a template lives on over a crash of the platform', async () => {
    await build({ name: 'lasting', steps: [{ type: 'WORKDIR', args: ['/srv/x'] }] })
    const path = await platform.sandbox({ template: 'lasting' })
    await platform.kill('SIGKILL')
    await platform.start()
    const { stdout } = await platform.json('POST', `${path}/execute`, { command: 'pwd' })
    assert.equal(stdout, '/srv/x\n')
    await platform.call('DELETE', path)
  })

  test('a removed template is gone, and no sandbox starts from it', async () => {
    await build({ name: 'gone', steps: [run('echo gone >/opt/gone')] })
    assert.equal((await platform.call('DELETE', '/v1/templates/gone')).status, 204)
    assert.equal((await platform.call('DELETE', '/v1/templates/gone')).status, 404)
    assert.equal((await platform.call('POST', '/v1/sandboxes', { template: 'gone' })).status, 404)
    assert.equal((await platform.call('DELETE', '/v1/templates/base')).status, 403)
  })

  test('nothing of builds is left but layers, builds and known steps', async () => {
    const images = await readdir(join(platform.home, 'images'), { recursive: false })
    assert.deepEqual(
      images.filter((name) => name.endsWith('.draft')),
      [],
    )
    assert.deepEqual(
      (await readdir(join(platform.home, 'images/layers'))).filter((name) => !/^[0-9a-f]{64}$/.test(name)),
      [],
    )
  })
})

function layers(): Promise<string[]> {
  return readdir(join(platform.home, 'images/layers'))
}
