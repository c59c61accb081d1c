import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { allowedWays, escapes } from './network/escape.ts'
import { addresses, fakeInternetLacks, openFakeInternet, type Seen } from './network/fake-internet.ts'
import { startPlatform } from './platform.ts'

// A microVM through the whole platform: its posture, its network. The ways out of network.test.ts by root of its kernel. Emulated, every program takes seconds: some of each kind.
const techniques = [
  'direct address',
  'TLS for a forbidden name',
  'HTTP for an allowed name, elsewhere',
  'metadata',
  'private 10/8',
  "the host's own address",
  'name with data, forbidden',
  'other resolver, UDP',
  'UDP',
  'ping by a raw socket',
  'packets made by hand',
  'an address of its own choice',
  'packets from elsewhere',
  'IPv6',
]
const cli = join(import.meta.dirname, '../../cli/src/main.ts')
const lacking = await fakeInternetLacks()
const internet = lacking ? (undefined as never) : await openFakeInternet()
after(() => internet?.close())
const platform = lacking
  ? (undefined as never)
  : await startPlatform({ WARREN_EGRESS_UPLINK: internet.uplink, WARREN_EGRESS_DNS: addresses.resolver })

let path = ''
let skip = lacking

before(async () => {
  if (lacking) return
  const network = { allow: ['allowed.example', '*.wild.example', '93.184.216.50:5432'] }
  const created = await platform.call('POST', '/v1/sandboxes', { isolation: { driver: 'microvm/qemu' }, network })
  const answer = await created.json()
  if (created.status !== 201) {
    skip = JSON.stringify(answer)
    return
  }
  path = `/v1/sandboxes/${answer.id}`
  await upload()
})

const upload = () =>
  platform.call('PUT', `${path}/files?path=/tmp/probe.py`, readFileSync(join(import.meta.dirname, 'network/probe.py')))

async function attempt(...names: string[]): Promise<{ seen: Seen; output: string }> {
  await internet.forget()
  const [technique, ...more] = names
  const command = ['/usr/bin/python3', '/tmp/probe.py', technique, '192.0.0.1', ...more]
  const { stdout, stderr } = await platform.json('POST', `${path}/execute`, { command, user: 'root', timeout: 200 })
  return { seen: await internet.seen(), output: `${stdout}${stderr}` }
}

async function allowedArrives(technique: string): Promise<void> {
  const { seen, output } = await attempt(technique)
  assert.ok(allowedWays[technique]!(seen), output)
}

test('what is allowed arrives', async (t) => {
  if (skip) return t.skip(skip)
  for (const technique of Object.keys(allowedWays)) await allowedArrives(technique)
})

test('its posture, from outside and inside, is what is expected of a machine', async (t) => {
  if (skip) return t.skip(skip)
  const { ok, checks } = await platform.json('GET', `${path}/posture`)
  assert.equal(ok, true, JSON.stringify(checks))
})

test('`warren sandbox console` shows what the machine says, and what is typed reaches it', async (t) => {
  if (skip) return t.skip(skip)
  const run = (command: string) => platform.json('POST', `${path}/execute`, { command, user: 'root', timeout: 200 })
  const attached = attach(path)
  const read = run('head -1 < /dev/console')
  await run('echo to the console > /dev/console')
  await attached.said(/to the console/)
  attached.stdin.write('typed\n')
  assert.equal((await read).stdout, 'typed\n')
  attached.stdin.end()
  assert.equal(await attached.code, 0)
})

test('`warren sandbox console` of a sandbox that is no machine is refused with the reason', async (t) => {
  if (skip) return t.skip(skip)
  const other = await platform.sandbox({ isolation: { driver: 'namespaces' } })
  const attached = attach(other)
  await attached.said(/namespaces has no serial console/)
  assert.notEqual(await attached.code, 0)
  await platform.call('DELETE', other)
})

test('a machine that was paused reaches the same when it goes on, in another network', async (t) => {
  if (skip) return t.skip(skip)
  await platform.json('POST', `${path}/pause`)
  await platform.json('POST', `${path}/resume`)
  await allowedArrives('allowed: HTTP')
})

test('a paused machine outlives kill -9 of the platform; its forks have its memory and ids of their own', async (t) => {
  if (skip) return t.skip(skip)
  const look = 'cat /dev/shm/kept /proc/sys/kernel/random/boot_id /etc/machine-id'
  const run = async (at: string, command: string) =>
    (await platform.json('POST', `${at}/execute`, { command })).stdout as string
  await run(path, 'echo kept > /dev/shm/kept')
  const before = await run(path, look)
  assert.equal((await platform.json('POST', `${path}/pause`)).memory, 'saved')
  await platform.kill('SIGKILL')
  await platform.start()
  await platform.json('POST', `${path}/resume`)
  assert.equal(await run(path, look), before)
  const { sandboxes } = await platform.json('POST', `${path}/fork`, { count: 2 })
  const seen = [before]
  for (const { id } of sandboxes) seen.push(await run(`/v1/sandboxes/${id}`, look))
  for (const line of [1, 2]) assert.equal(new Set(seen.map((text) => text.split('\n')[line])).size, 3, `${seen}`)
  assert.ok(seen.every((text) => text.startsWith('kept\n')))
  for (const { id } of sandboxes) await platform.call('DELETE', `/v1/sandboxes/${id}`)
})

test('a machine that was paused without its memory boots anew with its files', async (t) => {
  if (skip) return t.skip(skip)
  const run = async (command: string) => (await platform.json('POST', `${path}/execute`, { command })).stdout as string
  await run('echo on disk > /home/user/kept; echo in memory > /dev/shm/kept')
  assert.equal((await platform.json('POST', `${path}/pause`, { memory: false })).memory, 'none')
  await platform.json('POST', `${path}/resume`)
  assert.equal(await run('cat /home/user/kept; ls /dev/shm; touch /home/user/new && echo mine'), 'on disk\nmine\n')
  await allowedArrives('allowed: HTTP')
})

function attach(sandbox: string) {
  const env = { ...process.env, WARREN_URL: platform.url, WARREN_API_KEY: platform.key }
  const child = spawn(process.execPath, [cli, 'sandbox', 'console', sandbox.split('/').at(-1)!], { env })
  let all = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (all += text))
  const code = once(child, 'close').then(([code]) => code as number)
  const said = async (what: RegExp) => {
    while (!what.test(all)) {
      const more = Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), code.then(() => 'ended')])
      if ((await more) === 'ended') return assert.match(all, what)
    }
  }
  return { stdin: child.stdin, said, code }
}

// Last: root inside may have taken its own address away.
test('nothing else gets out', async (t) => {
  if (skip) return t.skip(skip)
  const { seen, output } = await attempt('together', ...techniques)
  for (const technique of techniques)
    assert.ok(output.includes(`${technique} :`), `${technique} was not tried: ${output}`)
  const arrivals = seen.arrivals.filter(({ address, port }) => address !== addresses.resolver || port !== 53)
  for (const technique of techniques) assert.equal(escapes[technique]!({ ...seen, arrivals }), false, technique)
})
