import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import tls from 'node:tls'
import { lacksOf, startPlatform, until } from '../platform.ts'
import { nameHere } from './names.ts'

const domain = 'box.example'
const platform = await startPlatform({ WARREN_DOMAIN: domain })
after(nameHere(domain))
tls.setDefaultCACertificates([await readFile(join(platform.home, 'tls', `${domain}.pem`), 'utf8')])
const lacks = await lacksOf(platform)
const options = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url }
/** Builds need a root inside. */
const skip = lacks.root

const context = await mkdtemp(join(tmpdir(), 'warren-context-'))
after(() => rm(context, { recursive: true }))
await mkdir(join(context, 'folder/deep'), { recursive: true })
await writeFile(join(context, 'one.txt'), 'one')
await writeFile(join(context, 'folder/two.txt'), 'two')
await writeFile(join(context, 'folder/deep/three.txt'), 'three')
await symlink('two.txt', join(context, 'folder/link'))
await writeFile(
  join(context, 'mcp-gateway'),
  `#!/usr/bin/python3
import http.server, json, os, sys
config, token = json.loads(sys.argv[sys.argv.index('--config') + 1]), os.environ['GATEWAY_ACCESS_TOKEN']
class Gateway(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get('authorization') == 'Bearer ' + token
        self.send_response(200 if known else 401); self.end_headers()
        self.wfile.write(json.dumps([self.path, config, os.getuid()]).encode() if known else b'')
server = http.server.HTTPServer(('127.0.0.1', 50005), Gateway)
os.makedirs('/etc/mcp-gateway', 0o700)
with open(os.open('/etc/mcp-gateway/.token', os.O_WRONLY | os.O_CREAT, 0o600), 'w') as file: file.write(token)
if os.fork(): sys.exit()
os.setsid()
for stream in (0, 1, 2): os.dup2(os.open('/dev/null', os.O_RDWR), stream)
server.serve_forever()
`,
)

const generations = { 'e2b 2.51': () => import('e2b'), 'e2b 2.45': () => import('e2b-2-45') }
for (const [generation, load] of Object.entries(generations)) {
  describe(generation, { skip }, () => prove(generation.replace(/[^a-z0-9]/g, '-'), load))
}

function prove(prefix: string, load: () => Promise<object>): void {
  // biome-ignore lint/suspicious/noExplicitAny: two releases of one client, driven as plain programs drive them
  const client = load() as Promise<any>

  test('Template.build: a template of every kind of step, and a sandbox of it', async () => {
    const { Template, Sandbox } = await client
    const template = Template({ fileContextPath: context })
      .fromBaseImage()
      .setEnvs({ GREETING: 'hello', TWICE: '$HOME/$HOME' })
      .setWorkdir('/app/inner')
      .copy('one.txt', 'copied.txt')
      .copy('folder', 'all', { mode: 0o700 })
      .copy('folder/*', 'chosen/', { user: 'root' })
      .runCmd('echo "$GREETING" >greeting; id -un >>greeting; pwd >>greeting')
      .runCmd('touch /root/by-root', { user: 'root' })
      .setUser('other')
      .runCmd('id -un >/tmp/who')
    const said: string[] = []
    const info = await Template.build(template, `${prefix}-steps`, {
      ...options,
      cpuCount: 1,
      memoryMB: 600,
      onBuildLogs: (entry: { message: string }) => said.push(entry.message),
    })
    assert.ok(info.templateId)
    assert.ok(
      said.some((line) => line.includes('RUN echo')),
      said.join('\n'),
    )

    const sandbox = await Sandbox.create(`${prefix}-steps`, options)
    const run = async (command: string, more = {}) => (await sandbox.commands.run(command, more)).stdout
    try {
      assert.equal(await run('id -un; pwd; echo $GREETING $TWICE'), 'other\n/app/inner\nhello /home/user//home/user\n')
      assert.equal(await run('cat /app/inner/greeting /tmp/who'), 'hello\nuser\n/app/inner\nother\n')
      assert.equal(
        await run('cd /app/inner && find . ! -type d | sort', { user: 'user' }),
        [
          './all/deep/three.txt',
          './all/link',
          './all/two.txt',
          './chosen/deep/three.txt',
          './chosen/link',
          './chosen/two.txt',
          './copied.txt',
          './greeting',
          '',
        ].join('\n'),
      )
      assert.equal(
        await run('cd /app/inner && stat -c "%U %a %n" copied.txt all/deep all/two.txt chosen/two.txt .', {
          user: 'root',
        }),
        'user 644 copied.txt\nuser 700 all/deep\nuser 700 all/two.txt\nroot 644 chosen/two.txt\nuser 755 .\n',
      )
      assert.equal(await run('readlink /app/inner/chosen/link; ls /root', { user: 'root' }), 'two.txt\nby-root\n')
      assert.equal((await sandbox.getInfo()).memoryMB, 600)
    } finally {
      await sandbox.kill()
    }
  })

  test('Template.build: what was done before is not done again, unless it is asked for', async () => {
    const { Template } = await client
    const log = async (template: unknown, name: string) => {
      const said: string[] = []
      await Template.build(template, name, {
        ...options,
        onBuildLogs: ({ message }: { message: string }) => said.push(message),
      })
      return said.filter((line) => /RUN/.test(line)).map((line) => line.startsWith('CACHED'))
    }
    const first = Template().fromBaseImage().runCmd(`echo ${prefix} >/tmp/a`).runCmd('date +%N >/tmp/b')
    assert.deepEqual(await log(first, `${prefix}-cache`), [false, false])
    assert.deepEqual(await log(first, `${prefix}-cache`), [true, true])
    const forced = Template().fromBaseImage().runCmd(`echo ${prefix} >/tmp/a`).skipCache().runCmd('date +%N >/tmp/b')
    assert.deepEqual(await log(forced, `${prefix}-cache`), [true, false])
  })

  test('Template.build: what fails says which step and why', async () => {
    const { Template } = await client
    const build = (template: unknown) => Template.build(template, `${prefix}-fails`, options)
    await assert.rejects(build(Template().fromBaseImage().runCmd('exit 7')), /exit 7.*exit status 7/)
    await assert.rejects(
      build(Template().fromBaseImage().runCmd('true').runCmd('whoami', { user: 'nobody-here' })),
      /failed to run command 'whoami': command failed: unauthenticated: invalid username: 'nobody-here'/,
    )
    await assert.rejects(build(Template().fromTemplate('nowhere')), /no template is named "nowhere"/)
  })

  test('Template.build: the start command runs in each sandbox, which is there when it is ready', async () => {
    const { Template, Sandbox, waitForPort } = await client
    const template = Template()
      .fromBaseImage()
      .runCmd('echo served >/home/user/index.html')
      .setStartCmd('cd /home/user && python3 -m http.server 8765', waitForPort(8765))
    await Template.build(template, `${prefix}-serves`, options)
    const sandbox = await Sandbox.create(`${prefix}-serves`, options)
    try {
      const { stdout } = await sandbox.commands.run(
        'python3 -c "import urllib.request as u; print(u.urlopen(\'http://127.0.0.1:8765\').read())"',
      )
      assert.match(stdout, /served/)
    } finally {
      await sandbox.kill()
    }
  })

  test('Sandbox.create with mcp: the gateway of the template runs, and is found by its address and its token', async () => {
    const { Template, Sandbox } = await client
    const at = { ...options, domain: `${domain}:${platform.port}` }
    const mcp = { exa: { apiKey: "it's" } }
    const metadata = { mcp: prefix }
    await assert.rejects(
      Sandbox.create({ ...at, mcp, metadata }),
      /Failed to start MCP gateway: .*"mcp-gateway" .*"mcp" needs/,
    )
    await assert.rejects(Sandbox.create('base', { ...at, mcp, metadata }), /Failed to start MCP gateway: .*not found/)
    const left = Sandbox.list({ ...at, query: { metadata } })
    assert.deepEqual(await left.nextItems(), [])

    const template = Template({ fileContextPath: context })
      .fromBaseImage()
      .copy('mcp-gateway', '/opt/gateway/', { mode: 0o755, user: 'root' })
      .setEnvs({ PATH: '/opt/gateway:$PATH' })
    await Template.build(template, 'mcp-gateway', options)
    const sandbox = await Sandbox.create({ ...at, mcp, metadata })
    try {
      const token = await sandbox.getMcpToken()
      assert.match(token, /^[0-9a-f-]{36}$/)
      const other = await Sandbox.connect(sandbox.sandboxId, at)
      assert.equal(await other.getMcpToken(), token, 'it is read from inside')
      const url = other.getMcpUrl()
      const authorization = `Bearer ${token}`
      const answer = await until('it answers', async () => {
        const found = await fetch(url, { headers: { authorization } })
        return found.ok ? found : undefined
      })
      assert.deepEqual(await answer.json(), ['/mcp', mcp, 0])
      assert.equal((await fetch(url)).status, 401)
    } finally {
      await sandbox.kill()
      await platform.call('DELETE', '/templates/mcp-gateway')
    }
  })

  test('Template tags, aliases, background builds', async () => {
    const { Template, Sandbox } = await client
    const name = `${prefix}-tags`
    assert.equal(await Template.exists(name, options), false)
    assert.equal(await Template.exists('base', options), true)
    // A step that names the client is not answered out of the cache of the other's build; this one ends with its template.
    const endless = Template().fromBaseImage().runCmd(`echo ${prefix}; sleep infinity`)
    const never = await Template.buildInBackground(endless, `${prefix}-never`, options)
    assert.equal((await Template.getBuildStatus(never, options)).status, 'building')
    await platform.call('DELETE', `/templates/${never.templateId}`)
    const begun = await Template.buildInBackground(
      Template().fromBaseImage().runCmd(`echo ${prefix} >/tmp/v; sleep 1`),
      `${name}:one`,
      options,
    )
    // A create waits for the build.
    const sandbox = await Sandbox.create(`${name}:one`, options)
    assert.equal((await sandbox.commands.run('cat /tmp/v')).stdout, `${prefix}\n`)
    await sandbox.kill()
    assert.equal(await Template.exists(name, options), true)
    const { buildId, tags } = await Template.assignTags(`${name}:one`, ['stable', 'v1.0'], options)
    assert.equal(buildId, begun.buildId)
    assert.deepEqual(tags, ['stable', 'v1.0'])
    const all = await Template.getTags(name, options)
    assert.deepEqual(all.map(({ tag }: { tag: string }) => tag).sort(), ['one', 'stable', 'v1.0'])
    await Template.removeTags(name, ['v1.0'], options)
    await assert.rejects(Template.removeTags(name, ['v1.0'], options))
    await assert.rejects(Sandbox.create(`${name}:v1.0`, options), /tag/)
    const stable = await Sandbox.create(`${name}:stable`, options)
    await stable.kill()
  })
}
