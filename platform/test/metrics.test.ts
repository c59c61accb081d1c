import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
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
  const dashboard = JSON.parse(await readFile(join(deploy, 'grafana/warren.json'), 'utf8'))
  const names = await figures()
  for (const { targets } of dashboard.panels) {
    for (const { expr } of targets) {
      assert.ok(await ask(expr), expr)
      const asked: string[] = expr.match(/\b(sandbox|http|webhook|nodejs)_[a-z0-9_]+/g)
      for (const name of asked.filter((word) => !['sandbox_id'].includes(word)))
        assert.ok(
          names.includes(`# TYPE ${name.replace(/_(bucket|count)$/, '')}`) || names.includes(`# TYPE ${name}`),
          name,
        )
    }
  }
  execFileSync('promtool', ['check', 'rules', join(deploy, 'prometheus/alerts.yml')])
})

test('each file for those who watch is there', () => {
  assert.deepEqual(globSync('*/*', { cwd: deploy }).sort(), [
    'grafana/dashboards.yml',
    'grafana/datasources.yml',
    'grafana/warren.json',
    'loki/loki.yml',
    'loki/promtail.yml',
    'prometheus/alerts.yml',
    'prometheus/compose.yml',
    'prometheus/prometheus.yml',
  ])
})

async function figures(): Promise<string> {
  const answer = await platform.call('GET', '/metrics')
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  return text
}
