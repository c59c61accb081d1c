import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from '../src/lib/run-command.ts'
import { lacksOf, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
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
