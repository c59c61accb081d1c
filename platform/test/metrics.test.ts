import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { freePort } from './free-port.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const deploy = join(import.meta.dirname, '../../deploy')
const prometheus = ['/usr/bin/prometheus', '/usr/local/bin/prometheus'].find((path) => existsSync(path))
const noPrometheus = !prometheus && 'prometheus is not installed here'

test('the figures need the key of the operator', async () => {
  assert.equal((await platform.fetch('/metrics')).status, 401)
  const answer = await platform.call('GET', '/metrics')
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0.0.4/)
})

test('sandboxes, their starts and ends, and requests by their route are counted', async () => {
  // A platform tries itself out with a sandbox when it starts.
  await until(
    'the first is counted',
    async () => (await figures()).includes('sandbox_ends_total{reason="deleted"} 1'),
    60_000,
  )
  const path = await platform.sandbox()
  const id = path.split('/').at(-1)!
  const running = await figures()
  assert.match(running, /^sandbox_count\{status="running"\} 1$/m)
  assert.match(running, new RegExp(`^sandbox_cpu_usage_percent\\{sandbox_id="${id}"\\} `, 'm'))
  assert.match(
    running,
    /^http_request_duration_seconds_count\{method="POST",route="\/v1\/sandboxes",status="201"\} 1$/m,
  )
  await platform.call('DELETE', path)
  const ended = await until(
    'its end is counted',
    async () => {
      const text = await figures()
      return text.includes('sandbox_ends_total{reason="deleted"} 2') ? text : undefined
    },
    60_000,
  )
  assert.match(ended, /^sandbox_count\{status="running"\} 0$/m)
  assert.match(ended, /^sandbox_starts_total\{driver="[^"]+",warm="(true|false)"\} [12]$/m)
  assert.match(ended, /^sandbox_duration_seconds_count\{template="base"\} 2$/m)
  assert.match(ended, /^nodejs_eventloop_lag_p99_seconds /m)
  assert.ok(!ended.includes(id), 'what has ended has no series')
})

test('WebSockets are counted by their route, with how they were answered, how many are open, and how long they stay', async () => {
  const path = await platform.sandbox()
  const id = path.split('/').at(-1)!
  const terminal = '/v1/sandboxes/:id/terminal'
  const value = async (name: string, labels: string): Promise<number> => {
    const line = (await figures()).split('\n').find((one) => one.startsWith(`${name}{${labels}} `))
    return Number(line?.split(' ').at(-1) ?? 0)
  }
  const answered = (route: string, status: string) =>
    value('http_request_duration_seconds_count', `method="GET",route="${route}",status="${status}"`)
  const open = (route: string) => value('websocket_connections', `route="${route}"`)
  const lived = (route: string) => value('websocket_duration_seconds_count', `route="${route}"`)
  const connect = (address: string, headers: Record<string, string> = { 'x-api-key': platform.key }) => {
    const client = new WebSocket(`ws://127.0.0.1:${platform.port}${address}`, { headers })
    client.on('error', () => {})
    return client
  }
  const refused = (client: WebSocket) => new Promise((resolve) => client.once('close', resolve))

  const shown = connect(`${path}/terminal?command=cat`)
  await once(shown, 'message')
  assert.deepEqual([await answered(terminal, '101'), await open(terminal), await lived(terminal)], [1, 1, 0])
  shown.terminate()
  await until('its end is counted', async () => (await lived(terminal)) === 1)
  assert.equal(await open(terminal), 0)

  await refused(connect(`${path}/terminal`, {}))
  await refused(connect(`${path}/processes/none/attach`))
  await refused(connect('/v1/sandboxes/snosuch/terminal'))
  await refused(connect('/v1/nothing/of/the/kind'))
  await refused(connect('/f/f123/'))
  await until('the last one is counted', async () => (await answered('function', '400')) === 1)
  assert.equal(await answered(terminal, '401'), 1)
  assert.equal(await answered(terminal, '404'), 1)
  assert.equal(await answered('/v1/sandboxes/:id/processes/:processId/attach', '404'), 1)
  assert.equal(await answered('unknown', '404'), 1)

  // One that switches where it is asked to, refuses by a status of its own, and answers what is no HTTP.
  const program = `import socket, threading
def serve(one):
  head = b''
  while b'\\r\\n\\r\\n' not in head: head += one.recv(4096)
  if head.startswith(b'GET /switch'):
    one.sendall(b'HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: upgrade\\r\\n\\r\\n')
    one.recv(1)
  else: one.sendall(b'HTTP/1.1 418 No\\r\\ncontent-length: 0\\r\\n\\r\\n' if b'GET /no' in head else b'no HTTP at all')
  one.close()
listening = socket.create_server(('127.0.0.1', 8124))
while True: threading.Thread(target=serve, args=(listening.accept()[0],)).start()`
  await platform.json('POST', `${path}/processes`, { command: ['python3', '-c', program] })
  const listens = async () =>
    (await platform.json('GET', `${path}/ports`)).ports.some(({ port }: Answer) => port === 8124)
  await until('it listens', listens)
  const raw = (target: string, headers = `x-api-key: ${platform.key}`) => {
    const socket = net.connect(platform.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n${headers}\r\n\r\n`,
    )
    return socket.resume()
  }
  const port = 'sandbox:port'
  const switched = raw(`${path}/ports/8124/switch`)
  await until('it has switched', async () => (await open(port)) === 1)
  const byHeaders = raw('/switch', `x-api-key: ${platform.key}\r\ne2b-sandbox-id: ${id}\r\ne2b-sandbox-port: 8124`)
  await until("and that of E2B's way", async () => (await open(port)) === 2)
  switched.destroy()
  byHeaders.destroy()
  await until('both have ended', async () => (await lived(port)) === 2)
  assert.deepEqual([await open(port), await answered(port, '101')], [0, 2])
  for (const target of ['no', 'other']) raw(`${path}/ports/8124/${target}`)
  raw(`${path}/ports/8125/`)
  await until('each is counted', async () => (await answered(port, '4xx')) + (await answered(port, '5xx')) === 3)
  assert.equal(await answered(port, '4xx'), 1)
  assert.equal(await lived(port), 2, 'what was refused has no life')
  await platform.call('DELETE', path)
})

test('calls of functions are counted, with those that were cold and those that failed', async () => {
  const source = "exports.handler = ({ fails }) => { if (fails) throw new Error('no') }"
  const files = { 'index.js': Buffer.from(source).toString('base64') }
  await platform.json('PUT', '/v1/functions/counted', { runtime: 'node24', files })
  for (const fails of [false, true, false]) await platform.call('POST', '/v1/functions/counted/invoke', { fails })
  const text = await figures()
  for (const [name, count] of Object.entries({ invocations: 3, errors: 1, cold_starts: 1, throttles: 0 }))
    assert.match(text, new RegExp(`^function_${name}_total ${count}$`, 'm'))
  assert.match(text, /^function_duration_seconds_total 0\.\d+$/m)
  assert.match(text, /^function_calls\{state="running"\} 0$/m)
  const states = [...text.matchAll(/^function_instances\{state="\w+"\} (\d)$/gm)]
  assert.equal(
    states.reduce((sum, [, count]) => sum + Number(count), 0),
    1,
  )
})

test('of functions that are called lately there are figures one by one, of the others together', async () => {
  const text = await figures()
  const labels = String.raw`function="f[a-z0-9]{20}",name="\w+",account="org0"`
  const value = (name: string, of = labels) => Number(new RegExp(`^${name}\\{${of}\\} (\\S+)$`, 'm').exec(text)?.[1])
  const calls = 'function_call_duration_seconds'
  assert.deepEqual(
    ['errors', 'cold_starts', 'throttles'].map((what) => value(`function_call_${what}_total`)),
    [1, 1, 0],
  )
  assert.equal(value('function_concurrent_instances'), 1)
  assert.deepEqual([value(`${calls}_count`), value(`${calls}_bucket`, `${labels},le="\\+Inf"`)], [3, 3])
  const total = Number(/^function_duration_seconds_total (\S+)$/m.exec(text)?.[1])
  assert.ok(Math.abs(value(`${calls}_sum`) - total) < 1e-6)
  const buckets = [...text.matchAll(new RegExp(`^${calls}_bucket\\{${labels},le="\\S+"\\} (\\d)$`, 'gm'))].map(
    ([, count]) => Number(count),
  )
  assert.deepEqual([buckets.length, buckets], [15, buckets.toSorted((a, b) => a - b)])
  assert.equal(value(`${calls}_count`, 'function="other",name="",account=""'), 0)
})

test('with loopback it is open to this machine, but not through a proxy; with off to nobody', async () => {
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_METRICS: 'loopback' })
  assert.equal((await platform.fetch('/metrics')).status, 200)
  assert.equal((await platform.fetch('/metrics', { headers: { 'x-forwarded-for': '203.0.113.1' } })).status, 401)
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_METRICS: 'off' })
  assert.equal((await platform.call('GET', '/metrics')).status, 404)
  await platform.kill('SIGTERM')
  await platform.start()
})

test('Prometheus takes them and answers by them; rules and dashboard ask only for what there is', {
  skip: noPrometheus,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'warren-prometheus-'))
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const config = await readFile(join(deploy, 'prometheus/prometheus.yml'), 'utf8')
  await writeFile(
    join(folder, 'prometheus.yml'),
    config.replace('127.0.0.1:7070', `127.0.0.1:${platform.port}`).replaceAll('15s', '1s'),
  )
  await copyFile(join(deploy, 'prometheus/alerts.yml'), join(folder, 'alerts.yml'))
  await writeFile(join(folder, 'warren.key'), platform.key)
  const port = await freePort()
  const child = spawn(
    prometheus!,
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  )
  after(() => void child.kill('SIGKILL'))
  const ask = async (query: string): Promise<Answer> => {
    const address = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`
    const answer = await fetch(address).catch(() => undefined)
    return answer?.ok ? ((await answer.json()) as Answer).data.result : undefined
  }
  const path = await platform.sandbox()
  await until(
    'Prometheus has the running sandbox',
    async () => (await ask('sandbox_count{status="running"}'))?.[0]?.value[1] === '1',
    60_000,
  )
  assert.equal((await ask('up{job="warren"}'))[0].value[1], '1')
  await platform.call('DELETE', path)
  await until(
    'and knows that it ended',
    async () => (await ask('sandbox_count{status="running"}'))?.[0]?.value[1] === '0',
    60_000,
  )

  const rules: Answer = await (await fetch(`http://127.0.0.1:${port}/api/v1/rules`)).json()
  assert.deepEqual(
    rules.data.groups[0].rules
      .map(({ health, lastError }: Answer) => [health, lastError])
      .filter(([health]: string[]) => health === 'err'),
    [],
  )
  const names = await figures()
  const dashboards = await Promise.all(globSync('grafana/*.json', { cwd: deploy }).map(readJson))
  assert.equal(dashboards.length, 2)
  const alerts = rules.data.groups[0].rules.map(({ query }: Answer) => query)
  const panels = dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }: Answer) => targets))
  for (const expr of [...alerts, ...panels.map(({ expr }) => expr)]) {
    assert.ok(await ask(expr), expr)
    const asked: string[] = expr.match(/\b(sandbox|http|webhook|websocket|nodejs|function)_[a-z0-9_]+/g) ?? []
    if (!expr.startsWith('up')) assert.ok(asked.length > 0, expr)
    for (const name of asked.filter((word) => !['sandbox_id'].includes(word)))
      assert.ok(
        names.includes(`# TYPE ${name.replace(/_(bucket|count)$/, '')} `) || names.includes(`# TYPE ${name} `),
        name,
      )
  }
  const promtool = (...args: string[]) =>
    execFileSync('promtool', args, { cwd: join(deploy, 'prometheus'), stdio: 'pipe' })
  promtool('check', 'rules', 'alerts.yml')
  promtool('check', 'config', join(folder, 'prometheus.yml'))
  promtool('check', 'config', '--syntax-only', 'compose.yml')
  promtool('test', 'rules', 'alerts.test.yml')
})

test('what waits for a place or in the queue is counted', async () => {
  const value = async (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await figures())?.[1])
  assert.equal(await value('sandbox_starts_waiting\\{urgency="urgent"\\}'), 0)
  const files = { 'index.js': Buffer.from("exports.handler = () => { throw new Error('no') }").toString('base64') }
  const settings = { retries: 1, retrySeconds: 600 }
  await platform.json('PUT', '/v1/functions/again', { runtime: 'node24', files, settings })
  const [due, later] = ['due', 'later'].map((state) => `function_queue_calls\\{state="${state}"\\}`)
  await platform.json('POST', '/v1/functions/again/invocations', {})
  await until('it waits to be made again', async () => (await value(later!)) === 1)
  await until('nothing is due', async () => (await value(due!)) === 0)
  assert.equal(await value('function_queue_late_seconds'), 0)
})
test('each file for those who watch is there', () => {
  assert.deepEqual(globSync('*/*', { cwd: deploy }).sort(), [
    'grafana/dashboards.yml',
    'grafana/datasources.yml',
    'grafana/functions.json',
    'grafana/warren.json',
    'loki/loki.yml',
    'loki/promtail.yml',
    'prometheus/alerts.test.yml',
    'prometheus/alerts.yml',
    'prometheus/compose.yml',
    'prometheus/prometheus.yml',
  ])
})

async function readJson(path: string): Promise<Answer> {
  return JSON.parse(await readFile(join(deploy, path), 'utf8'))
}

async function figures(): Promise<string> {
  const answer = await platform.call('GET', '/metrics')
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  return text
}
