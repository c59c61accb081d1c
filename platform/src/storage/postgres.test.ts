import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import pg from 'pg'
import { postgresOrigins, temporaryHome, whyNoPostgres } from '../../test/test-database.ts'
import { isAlive, processStat } from '../lib/process-stat.ts'
import { createLogger } from '../telemetry/logger.ts'
import { startPostgres } from './postgres.ts'

const logger = createLogger('error')

for (const origin of postgresOrigins) {
  describe(`our own PostgreSQL, ${origin}`, { skip: await whyNoPostgres(origin) }, () => {
    test('it starts, keeps what was written over a restart, and is gone after stop()', async (t) => {
      const home = temporaryHome(t)

      const first = await startPostgres({ home, logger, origin })
      await ask(first.connection, 'create table kept as select 42 as answer')
      await first.stop()
      assert.ok(!isAlive(first.pid))

      const second = await startPostgres({ home, logger, origin })
      t.after(() => second.stop())
      assert.deepEqual(await ask(second.connection, 'select answer from kept'), [{ answer: 42 }])
    })

    test('a home whose path is longer than a socket address works', async (t) => {
      const home = join(temporaryHome(t), 'a'.repeat(120), 'b'.repeat(120))
      const server = await startPostgres({ home, logger, origin })
      t.after(() => server.stop())
      assert.deepEqual(await ask(server.connection, `select 'yes' as works`), [{ works: 'yes' }])
    })

    test('a platform that was killed leaves it running, and the next one takes it up', async (t) => {
      const home = temporaryHome(t)
      const { pid } = await startAndKillPlatform(home, origin)
      const startTime = processStat(pid)?.startTime

      const taken = await startPostgres({ home, logger, origin })
      assert.equal(taken.pid, pid)
      await taken.stop()
      assert.ok(!isAlive(pid, startTime))
    })

    test('it starts again after both were killed, and lost nothing that it had acknowledged', async (t) => {
      const home = temporaryHome(t)
      const { pid } = await startAndKillPlatform(home, origin)
      // Found while it dies, it is not taken for one that lives: the signal is not waited for.
      process.kill(pid, 'SIGKILL')

      const again = await startPostgres({ home, logger, origin })
      t.after(() => again.stop())
      assert.notEqual(again.pid, pid)
      assert.deepEqual(await ask(again.connection, 'select answer from acknowledged'), [{ answer: 42 }])
    })

    test('a stale lock whose pid now belongs to another program does not keep it from starting', async (t) => {
      const home = temporaryHome(t)
      await (await startPostgres({ home, logger, origin })).stop()
      const other = spawn('sleep', ['60'])
      t.after(() => void other.kill('SIGKILL'))
      const data = join(home, 'postgres/data')
      writeFileSync(join(data, 'postmaster.pid'), `${other.pid}\n${data}\n1\n5432\n.\n\n\nready\n`)

      const server = await startPostgres({ home, logger, origin })
      await server.stop()
    })
  })
}

test('a second platform in the same home is refused', async (t) => {
  const home = temporaryHome(t)
  const server = await startPostgres({ home, logger })
  t.after(() => server.stop())
  await assert.rejects(startPostgres({ home, logger }), { code: 'conflict' })
})

test('data of a version that is not installed are told and left alone', async (t) => {
  const home = temporaryHome(t)
  const version = join(home, 'postgres/data/PG_VERSION')
  mkdirSync(join(home, 'postgres/data'), { recursive: true })
  writeFileSync(version, '9\n')
  await assert.rejects(startPostgres({ home, logger }), { code: 'unavailable', message: /are of PostgreSQL 9/ })
  assert.equal(readFileSync(version, 'utf8'), '9\n')
})

async function ask(connection: pg.ClientConfig, query: string): Promise<unknown[]> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}

/** Another process starts the server, writes a row and is killed the moment it was told that the row is there. */
async function startAndKillPlatform(home: string, origin: string): Promise<{ pid: number }> {
  const program = `
    const { startPostgres } = await import(${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)})
    const { default: pg } = await import('pg')
    const logger = { info() {}, warn() {}, error() {} }
    const server = await startPostgres({ home: ${JSON.stringify(home)}, logger, origin: ${JSON.stringify(origin)} })
    const client = new pg.Client(server.connection)
    await client.connect()
    await client.query('create table acknowledged as select 42 as answer')
    console.log(server.pid)
    setInterval(() => {}, 1000)`
  const platform = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [chunk] = (await once(platform.stdout, 'data')) as [Buffer]
  platform.kill('SIGKILL')
  await once(platform, 'exit')
  return { pid: Number(chunk.toString()) }
}
