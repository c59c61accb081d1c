import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { addresses, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const lacks = await fakeInternetLacks()
const internet = lacks ? (undefined as never) : await openFakeInternet()
after(() => internet?.close())
const platform = lacks
  ? (undefined as never)
  : await startPlatform({
      ...{ WARREN_EGRESS_UPLINK: internet.uplink, WARREN_EGRESS_DNS: addresses.resolver },
      WARREN_POOL_SIZE: '0',
    })
const runtimes: Answer[] = lacks ? [] : (await platform.json('GET', '/v1/runtimes')).runtimes
const saving = runtimes.find(({ healthy, capabilities }) => healthy && capabilities.snapshot.keeps === 'memory')
const freezing = runtimes.find(
  ({ healthy, driver, capabilities }) => healthy && driver !== 'unconfined' && capabilities.pause.memory === 'resident',
)
const reasons = runtimes.map(({ driver, reason }) => `${driver}: ${reason}`).join('; ')
const skipSaving = lacks || (saving ? false : `no runtime of this host saves memory (${reasons})`)
const skipFreezing = lacks || (freezing ? false : `no runtime of this host freezes (${reasons})`)

const open = { allow: [`${addresses.listed}:8443`] }
const sandbox = ({ driver }: Answer, network?: object) =>
  platform.sandbox({ isolation: { driver }, limits: { memoryMb: 256, diskMb: 64 }, ...(network && { network }) })

/** Whether an echo server is reached from inside, or what came of it. */
async function reaches(path: string, address = addresses.listed): Promise<string> {
  const code = `import socket
try:
    s = socket.create_connection(("${address}", 8443), 5); s.settimeout(5); s.sendall(b"hello"); print(s.recv(100) == b"hello")
except OSError as error: print(type(error).__name__)`
  const { stdout } = await platform.json('POST', `${path}/execute`, { command: ['/usr/bin/python3', '-c', code] })
  return stdout.trim()
}

async function reachesWhatIsListed(path: string): Promise<void> {
  assert.equal(await reaches(path), 'True')
  assert.match(await reaches(path, addresses.evil), /^Connection(Refused|Reset)Error$/)
}

/** A program that holds a connection, tells of its end in a file and opens another. */
async function hold(path: string): Promise<void> {
  const code = `import socket, time
def connect():
    s = socket.create_connection(("${addresses.listed}", 8443), 5); s.settimeout(5); return s
s = connect()
open("/tmp/held", "w").close()
while True:
    try:
        s.sendall(b"held")
        s.recv(100)
    except OSError:
        open("/tmp/broken", "a").write("x")
        s = connect()
    time.sleep(0.02)`
  await platform.json('POST', `${path}/processes`, { command: ['/usr/bin/python3', '-c', code] })
  await until('it is connected', () => has(path, '/tmp/held'))
}

async function has(path: string, file: string): Promise<boolean> {
  return (await platform.json('POST', `${path}/execute`, { command: ['test', '-e', file] })).exitCode === 0
}

/** The network that the record of an instance names, of all there are. */
function slots(): (number | undefined)[] {
  const run = `${platform.home}/run`
  const records = readdirSync(run).map((id) => JSON.parse(readFileSync(`${run}/${id}/spec.json`, 'utf8')))
  return records.map(({ spec }) => spec.network?.slot)
}

test('one that is resumed reaches what it may and no more, by a network that is its own', {
  skip: skipSaving,
}, async () => {
  const path = await sandbox(saving, open)
  await reachesWhatIsListed(path)
  await hold(path)
  await platform.json('POST', `${path}/pause`, {})
  assert.ok(slots().includes(undefined), 'what stands still has given its network back')
  const other = await sandbox(saving)
  await platform.json('POST', `${path}/resume`, {})
  await until('the program has noticed that its connection is gone', () => has(path, '/tmp/broken'))
  await reachesWhatIsListed(path)
  assert.equal(await reaches(other), 'ConnectionRefusedError')
  assert.equal((await platform.json('GET', `${path}/network`)).connected, true)
  await platform.call('DELETE', path)
  await platform.call('DELETE', other)
})

test('what is changed while it is paused holds when it is resumed, also after kill -9', {
  skip: skipSaving,
}, async () => {
  const path = await sandbox(saving, open)
  await platform.json('POST', `${path}/pause`, {})
  const { connected, policy } = await platform.json('PUT', `${path}/network`, {})
  assert.deepEqual([connected, policy], [false, { internet: false, allow: [], deny: [] }])
  assert.deepEqual((await platform.json('GET', `${path}/network`)).policy, policy)
  await platform.kill('SIGKILL')
  await platform.start()
  await platform.json('POST', `${path}/resume`, {})
  assert.equal(await reaches(path), 'ConnectionRefusedError')
  await platform.json('PUT', `${path}/network`, open)
  assert.equal(await reaches(path), 'True')
  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal(await reaches(path), 'True')
  await platform.call('DELETE', path)
})

test('forks may what their source may; one from a snapshot what its own request says', {
  skip: skipSaving,
}, async () => {
  const path = await sandbox(saving, open)
  await hold(path)
  const { sandboxes } = await platform.json('POST', `${path}/fork`, { count: 2 })
  const copies = sandboxes.map(({ id }: Answer) => `/v1/sandboxes/${id}`)
  for (const one of [path, ...copies]) {
    assert.deepEqual((await platform.json('GET', one)).network.allow, open.allow)
    await reachesWhatIsListed(one)
    await until('the program has noticed that its connection is gone', () => has(one, '/tmp/broken'))
  }
  const { id: snapshot } = await platform.json('POST', `${path}/snapshots`, {})
  const closed = await platform.sandbox({ snapshot })
  assert.equal(await reaches(closed), 'ConnectionRefusedError')
  const opened = await platform.sandbox({ snapshot, network: open })
  assert.equal(await reaches(opened), 'True')
  for (const one of [path, ...copies, closed, opened]) await platform.call('DELETE', one)
  await platform.call('DELETE', `/v1/snapshots/${snapshot}`)
})

test('a frozen one keeps its network, and what is changed meanwhile holds at once', {
  skip: skipFreezing,
}, async () => {
  const path = await sandbox(freezing, open)
  assert.equal(await reaches(path), 'True')
  await platform.json('POST', `${path}/pause`, {})
  await platform.json('PUT', `${path}/network`, {})
  await platform.json('POST', `${path}/resume`, {})
  assert.equal(await reaches(path), 'ConnectionRefusedError')
  await platform.call('DELETE', path)
})
