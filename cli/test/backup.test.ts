import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Answer, keyed, type Platform, startPlatform, until } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const folder = await mkdtemp(join(tmpdir(), 'warren-backup-'))
after(() => rm(folder, { recursive: true, force: true }))
const main = fileURLToPath(new URL('../../platform/src/main.ts', import.meta.url))
const settings = { WARREN_POOL_SIZE: '0', WARREN_BILLING_SANDBOX_BANK: 'yes' }
const platform = await startPlatform(settings)
const path = join(folder, 'whole.tar')
const backup = (home: string, args: string[], env: Record<string, string> = {}) =>
  warren(['backup', ...args], { env: { WARREN_HOME: home, DATABASE_URL: '', ...env } })
const asKey = (on: Platform, key: string, route: string) => on.fetch(route, { headers: { 'x-api-key': key } })
const files = (sources: Record<string, string>) =>
  Object.fromEntries(Object.entries(sources).map(([name, text]) => [name, Buffer.from(text).toString('base64')]))

let org: Answer
let key: Answer
let invoice: Answer

test('a platform at work is backed up into one file that only its owner reads', async () => {
  org = await platform.json('POST', '/v1/orgs', { name: 'second' })
  key = await platform.json('POST', '/v1/keys', { name: 'program' })
  await platform.json('POST', '/v1/secrets', { name: 'token', value: 'hunter2' })
  await platform.json('PUT', '/v1/functions/told', {
    runtime: 'node24',
    files: files({ 'index.ts': 'export default () => process.env.token' }),
    settings: { secrets: ['token'] },
  })
  await platform.json('POST', '/v1/volumes', { name: 'notes', sizeMb: 64 })
  const sandbox = await platform.sandbox({ volumes: [{ name: 'notes', path: '/notes' }] })
  await platform.json('POST', `${sandbox}/execute`, { command: 'echo kept > /notes/a.txt && sync' })
  await platform.call('DELETE', sandbox)
  await platform.sandbox({ timeout: 3000 })
  await platform.json('PUT', '/v1/billing/plan', { plan: 'basic', currency: 'USD' })
  invoice = await platform.json('POST', '/v1/billing/accounts/org0/invoices', {}, keyed('before'))

  const { stdout, stderr, code } = await backup(platform.home, ['create', path, '--with', 'volumes', '--json'])
  assert.equal(code, 0, stderr)
  const made = JSON.parse(stdout)
  assert.deepEqual([made.path, made.live, made.with, made.missingCode], [path, true, ['volumes'], []])
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(folder), ['whole.tar'], 'nothing else is left')
  assert.equal((await backup(platform.home, ['create', path])).code, 1, 'nothing is written over')
  assert.equal((await backup(platform.home, ['verify', path])).code, 0)
  // Afterwards, so it must not be there.
  await platform.json('POST', '/v1/keys', { name: 'later' })
})

test('what was backed up is restored: keys, secrets, functions, files, chain of the audit log, ledger', async () => {
  const restored = await startPlatform(settings, {
    prepare: async (home) => {
      const { code, stderr } = await backup(home, ['restore', path])
      assert.equal(code, 0, stderr)
    },
  })
  assert.equal(restored.key, platform.key)
  const { keys } = await restored.json('GET', '/v1/keys')
  assert.deepEqual(
    keys.map(({ name }: Answer) => name),
    ['program'],
  )
  assert.equal((await asKey(restored, key.key, '/v1/sandboxes')).status, 200)
  const { orgs } = await restored.json('GET', '/v1/orgs')
  assert.ok(orgs.some(({ id }: Answer) => id === org.id))
  assert.equal(await restored.json('POST', '/v1/functions/told/invoke', {}), 'hunter2')
  const sandbox = await restored.sandbox({ volumes: [{ name: 'notes', path: '/notes' }] })
  const { stdout } = await restored.json('POST', `${sandbox}/execute`, { command: 'cat /notes/a.txt' })
  assert.equal(stdout, 'kept\n')
  assert.equal((await restored.json('GET', '/v1/audit/verify')).whole, true)
  assert.deepEqual((await restored.json('GET', '/v1/billing/verification')).differences, [])
  assert.equal((await restored.json('GET', `/v1/billing/invoices/${invoice.id}`)).number, invoice.number)
  // Sequences go on where they were: a further invoice and further events have numbers of their own.
  await restored.json('POST', '/v1/billing/accounts/org0/invoices', {}, keyed('after'))
  assert.deepEqual((await restored.json('GET', '/v1/billing/verification')).differences, [])

  // What happens from now on is told, to readers that had got far in the old database.
  await restored.call('DELETE', sandbox)
  await until('the sandbox is metered', async () => {
    const { groups } = await restored.json('GET', '/v1/usage?group=subject')
    return groups.some(({ key }: Answer) => key === sandbox.split('/').at(-1))
  })

  const again = await backup(restored.home, ['restore', path])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /is not empty/)
})

test('a byte that changed is found, and such a backup is not restored', async () => {
  const damaged = join(folder, 'damaged.tar')
  assert.equal((await backup(platform.home, ['create', damaged])).code, 0)
  const file = await open(damaged, 'r+')
  await file.write(Buffer.from('!'), 0, 1, 512)
  await file.close()
  const found = await backup(platform.home, ['verify', damaged, '--json'])
  assert.equal(found.code, 1)
  assert.match(JSON.parse(found.stdout).problems[0], /was changed after it had been written/)
  const home = join(folder, 'of-damaged')
  assert.match((await backup(home, ['restore', damaged])).stderr, /the backup is damaged/)
  await assert.rejects(stat(home), 'nothing was made')
  const cut = await open(damaged, 'r+')
  await cut.truncate(4096)
  await cut.close()
  assert.match((await backup(platform.home, ['verify', damaged])).stderr, /is cut off/)
})

for (const step of ['restore.file', 'restore.finish']) {
  test(`a restore that is killed at ${step} leaves nothing that starts`, async () => {
    const home = join(folder, step)
    const killer = `import { subscribe } from 'node:diagnostics_channel'
      subscribe('tracing:warren.step:start', ({ name }) => name === '${step}' && process.kill(process.pid, 'SIGKILL'))`
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(killer)}`
    assert.notEqual((await backup(home, ['restore', path], { NODE_OPTIONS })).code, 0)
    assert.ok((await readdir(home)).includes('restore.unfinished'))
    for (const args of [
      ['restore', path],
      ['create', join(folder, 'never.tar')],
    ])
      assert.match((await backup(home, args)).stderr, /was broken off|there is no platform/)
    const started = spawnSync(process.execPath, [main], {
      env: { ...process.env, WARREN_HOME: home, WARREN_PORT: '0' },
    })
    assert.equal(started.status, 1)
    assert.match(started.stderr.toString(), /was broken off, so that it is not whole/)
  })
}
