import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { warren } from '../../cli/test/warren.ts'
import { type Answer, lacksOf, startPlatform, until } from './platform.ts'
import { pushImage } from './registry/image.ts'
import { layer } from './registry/layer.ts'
import { noRegistry, startRegistry, type TestRegistry, user } from './registry/registry.ts'
import { alpineLike, noBusybox, smallSystem } from './registry/system.ts'

const platform = await startPlatform({ WARREN_REGISTRY_OPEN: '127.0.0.1' })
const lacks = await lacksOf(platform)
const skip = noRegistry || lacks.root

describe('templates from images and Dockerfiles', { skip, timeout: 280_000 }, () => {
  let registry: TestRegistry
  let image: string
  /** The same, of a registry that asks nobody. */
  let open: string
  let free: TestRegistry
  const folder = mkdtempSync(join(tmpdir(), 'warren-dockerfile-'))

  before(async () => {
    registry = await startRegistry({ withPassword: true })
    const system = layer(
      [...smallSystem(), { path: 'opt/old', content: 'x' }, { path: 'srv/', uid: 33, gid: 44 }],
      'zstd',
    )
    const changes = layer([
      { path: 'opt/bin/tool', content: '#!/bin/sh\necho tool\n', mode: 0o755 },
      { path: 'opt/.wh.old' },
    ])
    const config = {
      Env: ['PATH=/opt/bin:/bin', 'FROM_IMAGE=yes'],
      WorkingDir: '/srv',
      Entrypoint: ['env', 'STARTED=yes'],
    }
    const authorization = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`
    await pushImage({ url: registry.url, authorization }, 'system', '1', { layers: [system, changes], config })
    image = `${registry.host}/system:1`
    free = await startRegistry()
    await pushImage(free, 'system', '1', { layers: [system, changes], config })
    open = `${free.host}/system:1`
  })
  after(async () => {
    await registry?.close()
    await free?.close()
    rmSync(folder, { recursive: true })
  })

  /** Begins a build and waits for its end. */
  async function build(body: object): Promise<Answer> {
    const { template, id } = await platform.json('POST', '/v1/templates', { registry: user, ...body })
    const look = () => platform.json('GET', `/v1/templates/${template}/builds/${id}?limit=1000`)
    return until(
      'the build has ended',
      async () => ['ready', 'error'].includes((await look()).state) && look(),
      120_000,
    )
  }

  async function inSandbox(template: string, command: string, as?: string): Promise<string> {
    const path = await platform.sandbox({ template })
    const { stdout, stderr, exitCode } = await platform.json('POST', `${path}/execute`, {
      command,
      ...(as ? { user: as } : {}),
    })
    await platform.call('DELETE', path)
    assert.equal(exitCode, 0, stderr)
    return stdout
  }

  /** Writes the files of a build, and builds them with the command line. */
  function warrenBuild(files: Record<string, string>, ...args: string[]) {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, path, '..'), { recursive: true })
      writeFileSync(join(folder, path), content)
    }
    const env = { WARREN_URL: platform.url, WARREN_API_KEY: platform.key, WARREN_REGISTRY_PASSWORD: user.password }
    return warren(['template', 'build', folder, '--registry-user', user.username, ...args], { env })
  }

  test('a template from an image: its layers over one another, its owners, its variables', async () => {
    const built = await build({ name: 'of-image', from: { image } })
    assert.equal(built.state, 'ready', JSON.stringify(built.log))
    assert.ok(built.log.some(({ message }: Answer) => /layer 2 of 2: ready/.test(message)))
    assert.equal(
      await inSandbox('of-image', 'ls /opt; stat -c %u:%g /srv; echo $FROM_IMAGE; id -un; /opt/bin/tool'),
      'bin\n33:44\nyes\nuser\ntool\n',
    )
  })

  test('an image without bash, as Alpine has: its steps, its start command and its users', {
    skip: noBusybox,
  }, async () => {
    await pushImage(free, 'small', '1', { layers: [layer(alpineLike(), 'gzip')], config: { Cmd: ['/bin/sh'] } })
    const { Sandbox, Template, waitForFile } = await import('e2b')
    const e2b = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url }
    const template = Template()
      .fromImage(`${free.host}/small:1`)
      .setEnvs({ WHERE: '$HOME' })
      .runCmd('echo "$WHERE" >made; id -un >>made; readlink -f /bin/sh >>made; sudo id -u >>made')
      .setWorkdir('/app/inner')
      .runCmd('touch by-root', { user: 'root' })
      .setUser('other')
      .runCmd('id -un >/tmp/who')
      .setStartCmd('echo begun >/tmp/begun; sleep 3600', waitForFile('/tmp/begun'))
    await Template.build(template, 'alpine-like', e2b)
    const path = await platform.sandbox({ template: 'alpine-like' })
    const command = 'cat /home/user/made /tmp/who /tmp/begun; stat -c "%U %n" /app/inner/by-root'
    const { stdout, stderr } = await platform.json('POST', `${path}/execute`, { command })
    assert.equal(stdout, '/home/user\nuser\n/bin/busybox\n0\nother\nbegun\nroot /app/inner/by-root\n', stderr)
    await platform.call('DELETE', path)
    const sandbox = await Sandbox.create('alpine-like', e2b)
    assert.equal(await sandbox.files.read('/tmp/begun'), 'begun\n')
    await assert.rejects(sandbox.commands.run('true'), /\/bin\/bash/)
    await sandbox.kill()
  })

  test('an image that cannot be had says why', async () => {
    const wrong = await build({ name: 'wrong', from: { image }, registry: { username: 'tester', password: 'wrong' } })
    assert.match(wrong.reason.message, /does not let these credentials pull system/)
    assert.equal(wrong.reason.step, 'base')
    const inside = await build({ name: 'wrong', from: { image: '169.254.169.254/x' } })
    assert.match(inside.reason.message, /link-local/)
  })

  test('clients of E2B: fromImage with a password, and fromDockerfile', async () => {
    const { Sandbox, Template } = await import('e2b')
    const e2b = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url }
    await Template.build(Template().fromImage(image, user).runCmd('/opt/bin/tool >/tmp/made'), 'e2b-image', e2b)
    const sandbox = await Sandbox.create('e2b-image', e2b)
    try {
      assert.equal((await sandbox.commands.run('cat /tmp/made; id -un; echo $FROM_IMAGE')).stdout, 'tool\nuser\nyes\n')
    } finally {
      await sandbox.kill()
    }
    const wrong = Template().fromImage(image, { ...user, password: 'wrong' })
    await assert.rejects(Template.build(wrong, 'e2b-wrong', e2b), /does not let these credentials pull/)
    // This generation reads the file itself and gives no password.
    const file = Template().fromDockerfile(`FROM ${open}\nWORKDIR /work\nRUN pwd >where\n`)
    await Template.build(file, 'e2b-file', e2b)
    const other = await Sandbox.create('e2b-file', e2b)
    try {
      assert.equal((await other.commands.run('cat /work/where')).stdout, '/work\n')
    } finally {
      await other.kill()
    }
  })

  test('warren template build: stages, ARG, shells, COPY from the folder and from a stage', async () => {
    const files = {
      '.dockerignore': 'secret\n*.md\n',
      secret: 'no',
      'notes.md': 'no',
      'src/main.sh': 'echo main\n',
      'src/deep/file': 'deep\n',
      Dockerfile: `ARG BASE=${image}
FROM $BASE AS build
ARG WORD=unset
ENV GREETING="hello $WORD"
RUN tool >made && echo "$GREETING $WORD" >>made
RUN ["sh", "-c", "echo exec >>made"]
FROM $BASE AS unused
RUN false
FROM $BASE
USER worker
WORKDIR /app
COPY . all/
COPY --chown=worker --chmod=500 src/*.sh bin/
COPY --from=build /srv/made ./
RUN <<TEXT
id -un >who
pwd >>who
TEXT
VOLUME /data
CMD ["sh", "-c", "printenv STARTED >/tmp/started; exec sleep 1000"]
`,
    }
    symlinkSync('file', join(folder, 'link'))
    const { stdout, stderr, code } = await warrenBuild(
      files,
      '--name',
      'of-file',
      '--build-arg',
      'WORD=world',
      '--ready',
      'cat /tmp/started',
    )
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'of-file\n')
    assert.match(stderr, /\[build 1\/3\] ENV GREETING hello world/)
    assert.match(stderr, /VOLUME does nothing/)
    assert.ok(!stderr.includes('unused'), stderr)
    const seen = await inSandbox(
      'of-file',
      'cat made who; find all bin | sort; stat -c "%U %a" bin/main.sh all/src; id -un; cat /tmp/started',
    )
    const listed = [
      'all',
      'all/.dockerignore',
      'all/Dockerfile',
      'all/link',
      'all/src',
      'all/src/deep',
      'all/src/deep/file',
      'all/src/main.sh',
      'bin',
      'bin/main.sh',
    ]
    assert.equal(
      seen,
      `tool\nhello world world\nexec\nworker\n/app\n${listed.join('\n')}\nworker 500\nroot 755\nworker\nyes\n`,
    )

    const again = await warrenBuild({ 'src/deep/file': 'changed\n' }, '--name', 'of-file', '--build-arg', 'WORD=world')
    assert.equal(again.code, 0, again.stderr)
    assert.match(again.stderr, /CACHED \[build 3\/3\]/)
    assert.match(again.stderr, /^\[stage 2 3\/6\] COPY \. /m)
  })

  test('what fails is told with its line, and the exit code is not 0', async () => {
    const failing = await warrenBuild({ Dockerfile: `FROM ${image}\n\nRUN exit 7\n` }, '--name', 'failing')
    assert.equal(failing.code, 1)
    assert.match(failing.stderr, /failed to run command 'exit 7': exit status 7/)
    const wrong = await warrenBuild({ Dockerfile: `FROM ${image}\nRUN --mount=type=cache x\n` })
    assert.match(wrong.stderr, /line 2: RUN --mount is not supported/)
    const missing = await warrenBuild({ Dockerfile: `FROM ${image}\nCOPY secret /\n` })
    assert.match(missing.stderr, /line 2: there is no "secret" in the folder, or \.dockerignore leaves it out/)
    const { state, reason } = await build({ name: 'direct', dockerfile: { text: `FROM ${image}\nFROM scratch\n` } })
    assert.equal(state, 'error')
    assert.match(reason.message, /FROM scratch is not supported/)
    const both = { name: 'x', from: { image }, dockerfile: { text: 'FROM x' } }
    await assert.rejects(platform.json('POST', '/v1/templates', both), { message: /stands instead of/ })
  })

  test('the mode of a file counts, its date does not', async () => {
    const files = { Dockerfile: `FROM ${image}\nCOPY src/main.sh /\n` }
    await warrenBuild(files, '--name', 'modes')
    assert.match((await warrenBuild({ 'src/main.sh': 'echo main\n' }, '--name', 'modes')).stderr, /CACHED .* COPY/)
    chmodSync(join(folder, 'src/main.sh'), 0o700)
    assert.doesNotMatch((await warrenBuild({}, '--name', 'modes')).stderr, /CACHED .* COPY/)
  })
})
