import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseRange } from '../src/engine/network/addresses.ts'
import { floorAround } from '../src/engine/network/floor.ts'
import { runCommand } from '../src/lib/run-command.ts'
import { lacksOf, startPlatform, until } from './platform.ts'

const registries = await addressesOf('deb.debian.org', 'pypi.org', 'files.pythonhosted.org')
/** Mirrors in a range that no sandbox reaches are opened, as an operator who has such does. */
const opened = registries.addresses.filter((address) => floorAround(parseRange(address)!, []))
const platform = await startPlatform({ WARREN_EGRESS_OPEN: opened.map((address) => `${address}/32`).join(',') })
const lacks = await lacksOf(platform)
const archive = await runCommand(['apt-get', 'indextargets', '--format', '$(URI)'], { timeoutMs: 10_000 })
const skip = lacks.root || (archive.ok ? false : `this host has no apt: ${archive.failure}`)

test('the template debian is built when somebody asks for it, and its user finds what clients expect', {
  skip,
}, async () => {
  // Whoever asks first begins the build; it may take longer than a client waits for an answer.
  await platform
    .call('POST', '/v1/sandboxes', { template: 'debian' }, { signal: AbortSignal.timeout(2000) })
    .catch(() => {})
  const isReady = async () => (await platform.json('GET', '/v1/templates/debian')).state === 'ready'
  await until('debian is built', isReady, 540_000)
  const answer = await platform.call('POST', '/v1/sandboxes', { template: 'debian' })
  const sandbox = await answer.json()
  assert.equal(answer.status, 201, JSON.stringify(sandbox))
  const command = [
    'id -un; pwd; python --version; git --version; curl --version; tput -T xterm-256color cols; pgrep -c .; which ss',
    'ls /etc/ssl/certs/ca-certificates.crt; sudo id -un; sudo touch /usr/local/mark && echo marked; dpkg --audit',
  ].join('; ')
  const { stdout, stderr } = await platform.json('POST', `/v1/sandboxes/${sandbox.id}/execute`, { command })
  assert.match(
    stdout,
    /^user\n\/home\/user\nPython 3\..*git version.*curl.*\n80\n.*ss\n.*crt\nroot\nmarked\n$/s,
    stderr,
  )
  await platform.call('DELETE', `/v1/sandboxes/${sandbox.id}`)
})

test('builds install packages of Debian and of PyPI, as clients ask for it', {
  skip: skip || registries.missing,
}, async () => {
  const { Sandbox, Template } = await import('e2b')
  const options = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url }
  const folder = await mkdtemp(join(tmpdir(), 'warren-context-'))
  after(() => rm(folder, { recursive: true }))
  // Whom this host trusts, the build trusts: a mirror may have an authority of its own.
  const authorities = '/etc/ssl/certs/ca-certificates.crt'
  await copyFile(authorities, join(folder, 'ca.crt'))
  const template = Template({ fileContextPath: folder })
    .fromTemplate('debian')
    .copy('ca.crt', authorities, { user: 'root' })
    .setEnvs({ PIP_CERT: authorities })
    .aptInstall(['rolldice'], { noInstallRecommends: true })
    .pipInstall(['six'])
    .pipInstall(['attrs'], { g: false })
  const said: string[] = []
  await Template.build(template, 'packaged', {
    ...options,
    onBuildLogs: ({ message }) => void said.push(message),
  }).catch((error) => assert.fail(`${error.message}\n${said.slice(-30).join('\n')}`))
  const sandbox = await Sandbox.create('packaged', options)
  const command = 'ls /usr/games/rolldice; python -c "import attr, six; print(six.__name__, attr.__name__)"'
  assert.equal((await sandbox.commands.run(command)).stdout, '/usr/games/rolldice\nsix attr\n')
  await sandbox.kill()
})

/** Where these names lead to, or why that cannot be told here. */
async function addressesOf(...names: string[]): Promise<{ addresses: string[]; missing: string | false }> {
  try {
    const found = await Promise.all(names.map((name) => lookup(name, { family: 4 })))
    return { addresses: [...new Set(found.map(({ address }) => address))], missing: false }
  } catch (error) {
    return { addresses: [], missing: `the registries are not reached from here: ${(error as Error).message}` }
  }
}
