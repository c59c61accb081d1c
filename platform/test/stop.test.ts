import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { processesOf, until } from './platform.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

async function launch(t: TestContext, environment: Record<string, string>) {
  const home = await mkdtemp(join(tmpdir(), 'warren-test-'))
  const child = spawn(process.execPath, [main], {
    env: {
      ...process.env,
      WARREN_POOL_SIZE: '4',
      WARREN_LOG_LEVEL: 'warn',
      WARREN_PORT: '0',
      WARREN_HOME: home,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const told = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    told.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    told.err += chunk
  })
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    for (const pid of processesOf(home)) process.kill(pid, 'SIGKILL')
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  })
  return { home, pid: child.pid!, told, exited }
}

async function nothingIsLeft(home: string): Promise<void> {
  await until('no process is left', () => processesOf(home).length === 0)
  assert.deepEqual(await readdir(join(home, 'run')), [])
}

test('Ctrl-C, told twice as by a terminal and npm, leaves nothing of a platform without sandboxes', async (t) => {
  const { home, pid, told, exited } = await launch(t, {})
  await until('it is ready', () => /^ready /m.test(told.out), 30_000)
  process.kill(-pid, 'SIGINT')
  await sleep(20)
  process.kill(pid, 'SIGINT')
  assert.deepEqual(await exited, [0, null], told.err)
  await nothingIsLeft(home)
})

test('Ctrl-C while it starts ends it too', async (t) => {
  const { home, pid, told, exited } = await launch(t, {})
  await until('it has begun', () => processesOf(home).length > 0)
  process.kill(pid, 'SIGINT')
  assert.deepEqual(await exited, [0, null], told.err)
  await nothingIsLeft(home)
})

test('a port in use is told in a sentence, and nothing is left running', async (t) => {
  const other = net.createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as net.AddressInfo
  const { home, told, exited } = await launch(t, { WARREN_PORT: String(port) })
  assert.deepEqual(await exited, [1, null])
  assert.match(told.err, new RegExp(`^warren: 127.0.0.1:${port} is in use by another program\\n +Choose another port`))
  await nothingIsLeft(home)
})

test('a second platform on the same home is refused, also one with another database', async (t) => {
  const first = await launch(t, {})
  await until('it is ready', () => /^ready /m.test(first.told.out), 30_000)
  const second = await launch(t, { WARREN_HOME: first.home, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
  assert.deepEqual(await second.exited, [1, null])
  assert.match(second.told.err, /is in use by process \d+/)
  process.kill(first.pid, 'SIGTERM')
  assert.deepEqual(await first.exited, [0, null])
})
