import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import pg from 'pg'
import { addresses, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { startNetworked } from './network/networked.ts'
import { type Answer, type Platform, startPlatform, until } from './platform.ts'

const lacks = await fakeInternetLacks()
const internet = lacks ? undefined : await openFakeInternet()
const settings = { WARREN_POOL_SIZE: '0', WARREN_ABUSE_CPU_MINUTES: '0.05', WARREN_ABUSE_REFUSED: '20' }
const platform: Platform = internet ? await startNetworked(internet, settings) : await startPlatform(settings)
after(() => internet?.close())

const inside = (path: string, code: string) =>
  platform.json('POST', `${path}/processes`, { command: ['/usr/bin/python3', '-c', code] })
const spin = 'while True: pass'

/** The signs that were told of a sandbox, with the rule. */
async function told(path: string): Promise<Answer[]> {
  const client = new pg.Client({ host: join(platform.home, 'postgres', 'data'), user: 'warren', database: 'postgres' })
  await client.connect()
  const { rows } = await client.query(
    "select data from events where type = 'abuse.detected' and subject = $1 order by seq",
    [path.split('/').at(-1)],
  )
  await client.end()
  return rows.map(({ data }) => data)
}
/** What the audit log says that the platform did by itself to a sandbox, oldest first. */
async function audited(path: string, count: number): Promise<string[]> {
  return until(`${count} in the audit log`, async () => {
    const { entries } = await platform.json('GET', `/v1/audit?actor=abuse&subject=${path.split('/').at(-1)}`)
    for (const { actorKind, details } of entries) assert.deepEqual([actorKind, details.sign], ['platform', 'cpu'])
    return entries.length >= count && entries.map(({ action, outcome }: Answer) => `${action} ${outcome}`).reverse()
  })
}
const signs = async (path: string) => (await told(path)).map(({ sign, rule }) => `${sign} ${rule}`)
const remove = (path: string) => platform.call('DELETE', path)

test('who uses all of the processor for long is told of, and no more where the rule is to observe', async () => {
  const path = await platform.sandbox({ limits: { cpuCores: 0.1 } })
  const quiet = await platform.sandbox()
  await inside(path, spin)
  await until('it is told', async () => (await signs(path)).length > 0, 60_000)
  const [finding] = await told(path)
  assert.deepEqual([finding.sign, finding.rule, finding.limit], ['cpu', 'observe', 0.05])
  assert.equal((await platform.json('GET', path)).state, 'running')
  assert.deepEqual(await signs(quiet), [])
  assert.deepEqual(await audited(path, 1), ['abuse.detect done'])
  await Promise.all([remove(path), remove(quiet)])
})

test('a fork storm is told of', async (t) => {
  const path = await platform.sandbox({
    isolation: { min: 'namespaces', driver: 'namespaces' },
    limits: { maxProcesses: 32 },
  })
  const { processes } = await platform.json('GET', `${path}/metrics`)
  if (!processes) return t.skip('this host does not count processes')
  await inside(
    path,
    'import os, time\nwhile True:\n  try:\n    if os.fork() == 0: time.sleep(600)\n  except OSError: time.sleep(0.1)',
  )
  await until('it is told', async () => (await signs(path)).includes('fork_storm observe'), 60_000)
  await remove(path)
})

test('a port scan is told of', { skip: lacks ?? false }, async () => {
  const path = await platform.sandbox({ network: { allow: [`${addresses.listed}:8443`] } })
  await inside(
    path,
    `import socket, time
while True:
  for port in range(1000, 1060):
    s = socket.socket(); s.settimeout(0.5)
    try: s.connect(("${addresses.listed}", port))
    except OSError: pass
    s.close()
  time.sleep(1)`,
  )
  await until('it is told', async () => (await signs(path)).includes('port_scan observe'), 90_000)
  await remove(path)
})

const egress = async () =>
  (await platform.json('GET', '/v1/quotas')).quotas.find(({ name }: Answer) => name === 'egressMbPerDay').used
const program = (path: string, code: string) =>
  platform.json('POST', `${path}/execute`, { command: ['/usr/bin/python3', '-c', code] })
/** Whether a sandbox reaches the one address that its policy allows. */
const connect = async (path: string): Promise<string> =>
  (
    await program(
      path,
      `import socket
try: socket.create_connection(("${addresses.listed}", 8443), 3); print("reached")
except OSError: print("refused")`,
    )
  ).stdout.trim()
const listed = { network: { allow: [`${addresses.listed}:8443`] } }

test('what a sandbox sends counts that is gone before anybody looks', { skip: lacks ?? false }, async () => {
  const before = await egress()
  const path = await platform.sandbox(listed)
  await program(
    path,
    `import socket
s = socket.create_connection(("${addresses.listed}", 8443), 10)
for _ in range(128):
  s.sendall(b"x" * 16384); s.recv(65536)`,
  )
  await remove(path)
  await until('it counts', async () => (await egress()) - before > 1.9, 20_000)
})

test('what is sent counts, and when the day is used up nothing more is reached until there is more', {
  skip: lacks ?? false,
}, async () => {
  const path = await platform.sandbox(listed)
  await platform.json('POST', '/v1/secrets', { name: 'TOKEN', value: 'one', hosts: ['listed.example'] })
  const withSecret = await platform.sandbox({
    network: { ...listed.network, rules: [{ host: 'listed.example', set: { 'x-token': '{{secret.TOKEN}}' } }] },
  })
  for (const one of [path, withSecret]) assert.equal(await connect(one), 'reached')
  await platform.json('PUT', '/v1/quotas', { quotas: { egressMbPerDay: (await egress()) + 0.5 } })
  await inside(
    path,
    `import socket, time
while True:
  try:
    s = socket.create_connection(("${addresses.listed}", 8443), 3)
    for _ in range(64): s.sendall(b"x" * 16384); s.recv(65536)
  except OSError: pass
  time.sleep(0.5)`,
  )
  await until('it is shut', async () => (await connect(path)) === 'refused', 90_000)
  await until('and so is the other', async () => (await connect(withSecret)) === 'refused', 90_000)
  assert.ok((await egress()) > 0.5)
  const late = await platform.sandbox(listed)
  assert.equal(await connect(late), 'refused', 'one that begins then reaches nothing from its beginning')
  await platform.json('PUT', `${path}/network`, { allow: [`${addresses.listed}:8443`] })
  assert.equal(await connect(path), 'refused', 'its rules set anew do not open it')
  await platform.json('PUT', '/v1/secrets/TOKEN', { value: 'two' })
  assert.equal(await connect(withSecret), 'refused', 'nor does a secret of it that changed')
  assert.deepEqual((await platform.json('GET', path)).network.allow, [`${addresses.listed}:8443`], 'its rules stay')
  await platform.json('PUT', '/v1/quotas', { quotas: { egressMbPerDay: null } })
  for (const one of [path, withSecret, late]) {
    await until('it is open again', async () => (await connect(one)) === 'reached', 90_000)
    await remove(one)
  }
})

test('throttling takes nine tenths of the processor away; pausing pauses', async () => {
  for (const rule of ['throttle', 'pause'] as const) {
    await platform.kill('SIGTERM')
    await platform.start({ WARREN_ABUSE_RULE: rule })
    const path = await platform.sandbox({ limits: { cpuCores: 0.15 } })
    await inside(path, spin)
    await until('it is told', async () => (await signs(path)).includes(`cpu ${rule}`), 60_000)
    if (rule === 'pause') {
      await until('it is paused', async () => (await platform.json('GET', path)).state === 'paused', 60_000)
      assert.deepEqual(await audited(path, 2), ['abuse.detect done', 'sandbox.pause done'])
    } else {
      assert.deepEqual(await audited(path, 2), ['abuse.detect done', 'sandbox.throttle done'])
      const used = async () => (await platform.json('GET', `${path}/metrics`)) as Answer
      await until(
        'it has a tenth',
        async () => {
          const [first, , second] = [
            await used(),
            await new Promise((resolve) => setTimeout(resolve, 2000)),
            await used(),
          ]
          const cores = (second.cpuUsec - first.cpuUsec) / 1000 / (Date.parse(second.at) - Date.parse(first.at))
          return cores < 0.05
        },
        60_000,
      )
    }
    await remove(path)
  }
})
