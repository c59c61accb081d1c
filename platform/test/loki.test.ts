import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createLogger } from '../src/telemetry/logger.ts'
import { LokiPush } from '../src/telemetry/loki-push.ts'
import { freePort } from './free-port.ts'
import { type Answer, startPlatform, until } from './platform.ts'

interface Line {
  labels: Record<string, string>
  nanos: bigint
  line: string
  ids: Record<string, string>
}

/** Takes nothing but what Loki's documentation of `POST /loki/api/v1/push` allows, with its default limits. */
async function startReceiver() {
  const received: Line[] = []
  const refused: string[] = []
  const state = { answer: 204, asked: 0 }
  const take = ({ streams, ...more }: Answer) => {
    assert.deepEqual(more, {})
    for (const { stream, values, ...rest } of streams) {
      assert.deepEqual(rest, {})
      const names = Object.keys(stream)
      assert.ok(names.length >= 1 && names.length <= 15, 'labels')
      for (const name of names) {
        assert.match(name, /^[a-zA-Z_][a-zA-Z0-9_]*$/)
        assert.equal(typeof stream[name], 'string')
        assert.ok(stream[name].length <= 2048)
      }
      for (const value of values) {
        const [nanos, line, ids, ...others] = value
        assert.deepEqual(others, [])
        assert.match(nanos, /^\d{19}$/)
        assert.ok(Math.abs(Number(BigInt(nanos) / 1_000_000n) - Date.now()) < 600_000)
        assert.ok(typeof line === 'string' && Buffer.byteLength(line) <= 256 * 1024)
        for (const id of Object.values(ids)) assert.equal(typeof id, 'string')
        received.push({ labels: stream, nanos: BigInt(nanos), line, ids })
      }
    }
  }
  const server = http.createServer(async (request, response) => {
    let text = ''
    for await (const piece of request) text += piece
    state.asked++
    const { method, url, headers } = request
    let { answer } = state
    try {
      assert.deepEqual([method, url, headers['content-type']], ['POST', '/loki/api/v1/push', 'application/json'])
      assert.equal(headers['x-scope-orgid'], 'a b')
      assert.ok(text.length < 4 * 1024 * 1024)
      if (answer === 204) take(JSON.parse(text))
    } catch (error) {
      refused.push(String(error))
      answer = 400
    }
    response.writeHead(answer).end(answer === 204 ? undefined : 'no')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, received, refused, state }
}

const headers = { 'X-Scope-OrgID': 'a b' }
const numbers = ({ received }: { received: Line[] }) => received.map(({ line }) => JSON.parse(line).n)

/** A log of its own that is sent to `url`. */
function logTo(url: string) {
  const push = new LokiPush({ url, headers })
  const shown: string[] = []
  const logger = createLogger('info', { write: (line) => void shown.push(line) }, false, (line) => push.add(line))
  push.warnBy(logger)
  return { push, logger, shown }
}

test('each line is there once, in order, with its labels; ids are no labels', async () => {
  const receiver = await startReceiver()
  const { push, logger } = logTo(receiver.url)
  for (let n = 0; n < 1_000; n++) logger.info({ n }, 'told')
  logger.warn({ n: 1_000, sandbox: 's1', account: 'o1', template: 'python' }, 'seen')
  await push.close()
  assert.deepEqual(receiver.refused, [])
  assert.deepEqual(
    numbers(receiver),
    Array.from({ length: 1_001 }, (_, n) => n),
  )
  const { received } = receiver
  for (const [at, { nanos }] of received.entries()) assert.ok(at === 0 || nanos > received[at - 1]!.nanos)
  const { labels, ids, line } = received.at(-1)!
  const { host, ...others } = labels
  assert.deepEqual(others, { job: 'warren', severity: 'warn', template: 'python' })
  assert.ok(host)
  assert.deepEqual(ids, { sandbox_id: 's1', user_id: 'o1' })
  assert.equal(JSON.parse(line).msg, 'seen')
})

test('while it answers 503 or 429 lines wait, nobody waits for them, and then they come once and in order', async () => {
  const receiver = await startReceiver()
  const { push, logger, shown } = logTo(receiver.url)
  receiver.state.answer = 503
  logger.info({ n: 0 }, 'told')
  await until('it was asked', () => receiver.state.asked >= 1)
  receiver.state.answer = 429
  logger.info({ n: 1 }, 'told')
  await until('it was asked again', () => receiver.state.asked >= 2)
  assert.equal(receiver.received.length, 0)
  receiver.state.answer = 204
  await until('it has them', () => receiver.received.length >= 3, 20_000)
  await push.close()
  assert.deepEqual(receiver.refused, [])
  // Among them is the one that says that it was away.
  assert.match(shown.join(''), /lines of the log are not in Loki yet/)
  assert.deepEqual(
    numbers(receiver).filter((n) => n !== undefined),
    [0, 1],
  )
  assert.equal(push.dropped, 0)
})

test('what it refuses is counted and given up, and what comes next goes through', async () => {
  const receiver = await startReceiver()
  const { push, logger } = logTo(receiver.url)
  receiver.state.answer = 400
  logger.info({ n: 0 }, 'told')
  await until('it was given up', () => push.dropped >= 1)
  receiver.state.answer = 204
  logger.info({ n: 1 }, 'told')
  await until('the next came', () => numbers(receiver).includes(1))
  await push.close()
  assert.ok(!numbers(receiver).includes(0))
})

test('more than may wait is given up from its beginning, and counted', async () => {
  const receiver = await startReceiver()
  const { push, logger } = logTo(receiver.url)
  const filling = 'x'.repeat(100_000)
  for (let n = 0; n < 100; n++) logger.info({ n, filling }, 'told')
  assert.ok(push.dropped > 10, `${push.dropped}`)
  logger.info({ n: 100, filling: 'y'.repeat(400_000) }, 'too long for a line')
  const { dropped } = push
  await push.close()
  assert.deepEqual(receiver.refused, [])
  assert.equal(push.dropped, dropped)
  assert.equal(receiver.received.length, 101 - dropped)
  assert.equal(JSON.parse(receiver.received[0]!.line).n, dropped)
})

test('more templates than a hundred make no streams of their own', async () => {
  const receiver = await startReceiver()
  const { push, logger } = logTo(receiver.url)
  for (let n = 0; n < 150; n++) logger.info({ template: `t${n}` }, 'told')
  await push.close()
  assert.equal(new Set(receiver.received.map(({ labels }) => labels.template)).size, 101)
})

test('the log of a platform is sent, to its last line; keys are not in it', async () => {
  const receiver = await startReceiver()
  const env = { WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '0', WARREN_LOG_LEVEL: 'info' }
  const platform = await startPlatform({
    ...env,
    WARREN_LOKI_URL: receiver.url,
    WARREN_LOKI_HEADERS: 'X-Scope-OrgID=a%20b',
  })
  await platform.sandbox()
  await platform.kill('SIGTERM')
  assert.deepEqual(receiver.refused, [])
  const sent = receiver.received.map(({ line }) => JSON.parse(line))
  const written = platform
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
  assert.ok(written.length > 0)
  assert.deepEqual(
    sent.map((line) => JSON.stringify(line)),
    written.map((line) => JSON.stringify(JSON.parse(line))),
  )
  assert.ok(!JSON.stringify(sent).includes(platform.key))
})

const loki = process.env.LOKI_BIN
test('a real Loki takes the lines and finds them by label and id', {
  skip: !loki && 'LOKI_BIN names no Loki',
}, async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'warren-loki-'))
  const port = await freePort()
  const config = `auth_enabled: false
server: { http_listen_address: 127.0.0.1, http_listen_port: ${port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: 0 }
common:
  path_prefix: ${home}
  replication_factor: 1
  ring: { kvstore: { store: inmemory } }
  storage: { filesystem: { chunks_directory: ${home}/chunks, rules_directory: ${home}/rules } }
schema_config:
  configs:
    - { from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: { prefix: index_, period: 24h } }
`
  await writeFile(join(home, 'loki.yml'), config)
  const server = spawn(loki!, [`-config.file=${join(home, 'loki.yml')}`], { stdio: 'ignore' })
  t.after(async () => {
    server.kill('SIGKILL')
    await rm(home, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  const isReady = () =>
    fetch(`${url}/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  await until('Loki is ready', isReady, 90_000)
  const { push, logger } = logTo(url)
  logger.warn({ n: 7, sandbox: 's1' }, 'seen')
  await push.close()
  assert.equal(push.dropped, 0)
  const query = encodeURIComponent('{job="warren", severity="warn"} | sandbox_id="s1"')
  const { data } = await until('it is found', async () => {
    const answer: Answer = await (await fetch(`${url}/loki/api/v1/query_range?query=${query}`)).json()
    return answer.data?.result?.length > 0 && answer
  })
  assert.equal(JSON.parse(data.result[0].values[0][1]).n, 7)
})
