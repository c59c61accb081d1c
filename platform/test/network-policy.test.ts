import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { addresses, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { ordinaryUser, startNetworked } from './network/networked.ts'
import { commandLine, processesOf, until } from './platform.ts'

const skip = (await fakeInternetLacks()) ?? false
const internet = skip ? (undefined as never) : await openFakeInternet()
const platform = skip ? (undefined as never) : await startNetworked(internet)
// After the platform, which may stand in it.
after(() => internet?.close())
const echo = `${addresses.listed}:8443`

async function refusal(network: object): Promise<[number, string]> {
  const response = await platform.call('POST', '/v1/sandboxes', { network })
  const { code, message } = await response.json()
  return [response.status, `${code}: ${message}`]
}

/** A program inside that says something every few milliseconds over one connection. */
async function chatter(path: string): Promise<string> {
  const code = `import socket, time
s = socket.create_connection(("${addresses.listed}", 8443), 5)
while True:
    s.sendall(b"still here")
    s.recv(100)
    time.sleep(0.02)`
  const { id } = await platform.json('POST', `${path}/processes`, { command: ['/usr/bin/python3', '-c', code] })
  await until('it is heard', heard)
  return id
}

const heard = () => internet.events.some(({ text }) => text?.includes('still here'))

/** Tries to connect once; answers what came of it. */
async function connect(path: string, address: string, port = 8443): Promise<string> {
  const code = `import socket
try:
    s = socket.create_connection(("${address}", ${port}), 2); s.settimeout(2); s.sendall(b"hello"); print(s.recv(100) == b"hello")
except OSError as error: print(type(error).__name__)`
  return (await platform.json('POST', `${path}/execute`, { command: ['/usr/bin/python3', '-c', code] })).stdout.trim()
}

const holders = () => processesOf(platform.home).filter((pid) => commandLine(pid).includes('hold-network'))

async function nothingArrives(): Promise<void> {
  await internet.forget()
  await sleep(300)
  const { arrivals, events } = await internet.seen()
  assert.deepEqual([arrivals.filter(({ address }) => address === addresses.listed), events], [[], []])
}

test('a sandbox that says nothing reaches nothing, and says so', { skip }, async () => {
  const path = await platform.sandbox()
  assert.deepEqual((await platform.json('GET', path)).network, { internet: false, allow: [], deny: [] })
  assert.equal(await connect(path, addresses.listed), 'ConnectionRefusedError')
  const network = await platform.json('GET', `${path}/network`)
  assert.equal(network.connected, true)
  assert.equal(network.counters.bytesSent, 0)
  await nothingArrives()
  await platform.call('DELETE', path)
})

test('rules that are none and rules that open what nobody reaches are refused with the reason', { skip }, async () => {
  for (const rule of [
    '1.2.3.0/33',
    '1.2.3.4/24',
    'exa mple.com',
    '*.*.com',
    'a..b',
    '2130706433',
    '::1',
    'x:0',
    'x:70000',
    ':80',
  ])
    assert.match((await refusal({ allow: [rule] })).join(' '), /^400 invalid_request: network\.allow: /, rule)
  for (const rule of [
    '169.254.169.254',
    '10.0.0.0/8',
    '127.0.0.1:80',
    '192.168.1.0/24',
    '100.64.0.0/10',
    '224.0.0.1',
    '198.18.0.1',
  ])
    assert.match((await refusal({ allow: [rule] })).join(' '), /^403 forbidden: .*which no sandbox may reach/, rule)
  assert.match((await refusal({ allowed: [] })).join(' '), /^400 invalid_request/)
  const path = await platform.sandbox()
  const put = await platform.call('PUT', `${path}/network`, { allow: ['fd00:ec2::254'] })
  assert.deepEqual([put.status, (await put.json()).code], [400, 'invalid_request'])
  assert.deepEqual((await platform.json('GET', `${path}/network`)).policy.allow, [])
  assert.equal((await platform.call('GET', '/v1/sandboxes/sunknown/network')).status, 404)
  assert.equal((await platform.call('PUT', '/v1/sandboxes/sunknown/network', {})).status, 404)
  await platform.call('DELETE', path)
})

test('what the internet means: everything but the floor, and what is denied', { skip }, async () => {
  const path = await platform.sandbox({ network: { internet: true, deny: [':22', addresses.evil] } })
  assert.equal(await connect(path, addresses.listed), 'True')
  for (const [address, port] of [
    [addresses.evil, 8443],
    [addresses.listed, 22],
    [addresses.metadata, 80],
    ['10.9.9.9', 8443],
    [addresses.host, 8443],
  ] as const)
    assert.match(await connect(path, address, port), /Error/, address)
  const refused = (await platform.json('GET', `${path}/network`)).log.find(({ port }: { port: number }) => port === 22)
  assert.deepEqual([refused.verdict, refused.address, refused.reason], ['refused', addresses.listed, 'denied'])
  await platform.call('DELETE', path)
})

test('a change cuts the connections that it forbids, and counts what they carried', { skip }, async () => {
  const path = await platform.sandbox({ network: { allow: [echo] } })
  await chatter(path)
  await internet.forget()
  await until('it goes on', heard)
  const changed = await platform.json('PUT', `${path}/network`, { allow: ['allowed.example'] })
  assert.deepEqual(changed.policy.allow, ['allowed.example'])
  assert.equal(changed.counters.openConnections, 0)
  assert.ok(changed.counters.bytesSent >= 20 && changed.counters.bytesReceived >= 10)
  await nothingArrives()
  await platform.call('DELETE', path)
})

test('a limit of the rate holds at once, for a connection that is open too, and nothing is lost', {
  skip,
}, async () => {
  const path = await platform.sandbox({ network: { allow: [echo] } })
  // 125,000 bytes a second is one megabit: without a limit they come back in no time.
  const code = `import os, socket, threading, time
s = socket.create_connection(("${addresses.listed}", 8443), 5)
s.sendall(b"still here"); s.recv(100)
while not os.path.exists("/tmp/go"): time.sleep(0.02)
began, left = time.monotonic(), 250000
threading.Thread(target=s.sendall, args=(b"x" * left,)).start()
while left: left -= len(s.recv(65536)) or exit("cut")
open("/tmp/took", "w").write(str(time.monotonic() - began))`
  await internet.forget()
  await platform.json('POST', `${path}/processes`, { command: ['/usr/bin/python3', '-c', code] })
  await until('it is heard', heard)
  const changed = await platform.json('PUT', `${path}/network`, { allow: [echo], bandwidthMbps: 1 })
  assert.deepEqual([changed.policy.bandwidthMbps, changed.counters.openConnections], [1, 1])
  const read = async (command: string) => (await platform.json('POST', `${path}/execute`, { command })).stdout
  await read('touch /tmp/go')
  const took = Number(await until('all is back', () => read('cat /tmp/took 2>/dev/null')))
  // A tenth of a second of it may go at once.
  assert.ok(took > 1.85, `a quarter of a megabyte went at one megabit a second in ${took} s`)
  const { counters } = await platform.json('GET', `${path}/network`)
  assert.ok(counters.bytesSent >= 250_000 && counters.bytesReceived >= 250_000)
  await platform.call('DELETE', path)
})

test('a change in the middle of traffic lets nothing through once it is answered', { skip }, async () => {
  const path = await platform.sandbox({ network: { allow: [echo] } })
  const code = `import socket, threading
def go():
    while True:
        try:
            s = socket.create_connection(("${addresses.listed}", 8443), 1); s.sendall(b"still here"); s.recv(100); s.close()
        except OSError: pass
for _ in range(4): threading.Thread(target=go).start()`
  await platform.json('POST', `${path}/processes`, { command: ['/usr/bin/python3', '-c', code] })
  for (let round = 0; round < 3; round++) {
    await until('it is heard', heard)
    await Promise.all(
      [{ allow: [echo] }, { internet: true }, {}].map((policy) => platform.json('PUT', `${path}/network`, policy)),
    )
    await platform.json('PUT', `${path}/network`, {})
    await nothingArrives()
    await platform.json('PUT', `${path}/network`, { allow: [echo] })
  }
  await platform.call('DELETE', path)
})

test('sandboxes do not reach each other, by whatever address', { skip }, async () => {
  const [one, other] = await Promise.all([
    platform.sandbox({ network: { internet: true } }),
    platform.sandbox({ network: { internet: true } }),
  ])
  const command = ['/usr/bin/python3', '-m', 'http.server', '8443', '--directory', '/tmp']
  await platform.json('POST', `${other}/processes`, { command })
  await until('it serves', async () => (await platform.call('GET', `${other}/ports/8443/`)).status === 200)
  const outers = Array.from({ length: 24 }, (_, slot) => `198.18.0.${slot + 1}`)
  for (const address of ['192.0.0.2', '192.0.0.1', ...outers.slice(0, 12)])
    assert.match(await connect(one, address), /Error/, address)
  await Promise.all([one, other].map((path) => platform.call('DELETE', path)))
})

test('kill -9 of the platform: policies and connections go on, and hold after the next start', { skip }, async () => {
  const open = await platform.sandbox({ network: { allow: [echo] } })
  const closed = await platform.sandbox({ network: { allow: [echo] } })
  await platform.json('PUT', `${closed}/network`, {})
  await chatter(open)
  await platform.kill('SIGKILL')
  await internet.forget()
  await until('it goes on without a platform', heard)
  await platform.start()
  await internet.forget()
  await until('the same connection goes on', heard)
  assert.ok(!internet.events.some(({ kind }) => kind === 'connected'))
  assert.deepEqual((await platform.json('GET', `${open}/network`)).policy.allow, [echo])
  assert.match(await connect(closed, addresses.listed), /Error/)
  await platform.json('PUT', `${open}/network`, {})
  await nothingArrives()
  await Promise.all([open, closed].map((path) => platform.call('DELETE', path)))
})

test('kill -9 of the gateway: nothing gets out until it is back with all policies', { skip }, async () => {
  const path = await platform.sandbox({ network: { allow: [echo] } })
  const closed = await platform.sandbox()
  const found = processesOf(platform.home).filter((pid) => commandLine(pid).includes('gateway/main.ts'))
  assert.equal(found.length, 1)
  process.kill(found[0]!, 'SIGKILL')
  await until('it works again', async () => (await connect(path, addresses.listed)) === 'True', 20_000)
  assert.match(await connect(closed, addresses.listed), /Error/)
  await Promise.all([path, closed].map((each) => platform.call('DELETE', each)))
})

test('a slot that is used again knows nothing of who had it', { skip }, async () => {
  for (let round = 0; round < 3; round++) {
    const path = await platform.sandbox({ network: { allow: [echo] }, limits: { diskMb: 48 } })
    assert.equal(await connect(path, addresses.listed), 'True')
    await platform.call('DELETE', path)
    const next = await platform.sandbox({ limits: { diskMb: 48 } })
    assert.match(await connect(next, addresses.listed), /Error/)
    assert.deepEqual((await platform.json('GET', `${next}/network`)).log, [])
    await platform.call('DELETE', next)
  }
})

const noHolder = skip || (ordinaryUser ? false : 'the networks of root need no process to hold them')

test('networks whose holder was killed are closed for good, and new ones are made', { skip: noHolder }, async () => {
  const path = await platform.sandbox({ network: { allow: [echo] } })
  await platform.kill('SIGKILL')
  for (const pid of holders()) process.kill(pid, 'SIGKILL')
  await platform.start()
  assert.match(await connect(path, addresses.listed), /Error/)
  assert.equal((await platform.call('PUT', `${path}/network`, { internet: true })).status, 503)
  const next = await platform.sandbox({ network: { allow: [echo] } })
  assert.equal(await connect(next, addresses.listed), 'True')
  await Promise.all([path, next].map((each) => platform.call('DELETE', each)))
})

test('with no sandbox left, a stop leaves no namespace and no process', { skip }, async () => {
  const name = `warren-${createHash('sha256').update(platform.home).digest('hex').slice(0, 12)}`
  // Those of an ordinary user have their names where the holder is.
  const namespaces = () =>
    ordinaryUser ? holders() : readdirSync('/run/netns').filter((found) => found.startsWith(name))
  assert.ok(namespaces().length > 0)
  await platform.kill('SIGTERM')
  assert.deepEqual(namespaces(), [])
  await until('no process is left', () => processesOf(platform.home).length === 0)
  await platform.start()
})
