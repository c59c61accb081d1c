import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryHome, whyNoPostgres } from '../../../test/test-database.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { openDatabase } from '../database.ts'
import { startPostgres } from '../postgres.ts'
import { createBackup } from './create.ts'
import { restoreBackup } from './restore.ts'
import { tablesOf } from './tables.ts'

const logger = createLogger('silent')
const skip = (await whyNoPostgres('embedded')) || (await whyNoPostgres('system'))

test('a backup of one PostgreSQL is restored into another, older one that DATABASE_URL names, once', {
  skip,
}, async (t) => {
  const home = temporaryHome(t)
  const path = join(temporaryHome(t), 'b.tar')
  await writeFile(join(home, 'admin.key'), 'key\n')
  const source = await openDatabase({ home, databaseUrl: undefined, logger, origin: 'embedded' })
  const difficult = 'tab\t newline\n backslash\\ \\N quote" 中文 \u0001'
  await source.pool.query(`insert into organisations (id, name, created_at) values ('o1', $1, now())`, [difficult])
  await source.pool.query(`insert into events (type, account_id, subject, data) values ('a', 'o1', 's', $1)`, [
    { difficult },
  ])
  await source.pool.query(`select append_audit('o1', array['{"at": 1}', '{"at": 2}'])`)
  // Numbered against their order: the second number belongs to a transaction that was first.
  await source.pool.query(`insert into events (seq, xid, type, account_id, subject, data) values
    (2, '900000000', 'third', 'o1', 's', '{}'), (3, '800000000', 'second', 'o1', 's', '{}')`)
  await source.pool.query(`select setval('events_seq_seq', 3)`)
  await source.pool.query(`insert into event_cursors (consumer, xid, seq) values ('reader', '850000000', 1)`)
  const audited = 'select account_id, seq, entry, hash, at_ms from audit_log order by 1, 2'
  const before = (await source.pool.query(audited)).rows
  await source.close()
  const { manifest } = await createBackup({ home, databaseUrl: undefined, path, with: [], now: new Date(), logger })
  assert.equal(manifest.live, false)

  const other = temporaryHome(t)
  const system = await startPostgres({ home: other, logger, origin: 'system' })
  try {
    const databaseUrl = `postgres://warren@/postgres?host=${join(other, 'postgres', 'data')}`
    await restoreBackup({ path, home: join(other, 'home'), databaseUrl, logger })
    const target = await openDatabase({ home: other, databaseUrl, logger })
    const { rows } = await target.pool.query(`select name from organisations where id = 'o1'`)
    assert.deepEqual(rows, [{ name: difficult }])
    assert.deepEqual((await target.pool.query(audited)).rows, before)
    await target.pool.query(`insert into events (type, account_id, subject, data) values ('new', 'o1', 's', '{}')`)
    const unread = await target.pool.query(`
      select type, seq from events where (xid, seq) > (select xid, seq from event_cursors where consumer = 'reader')
      and xid < pg_snapshot_xmin(pg_current_snapshot()) order by xid, seq`)
    assert.deepEqual(
      unread.rows,
      [
        { type: 'third', seq: 3 },
        { type: 'new', seq: 4 },
      ],
      'a reader goes on where it was, and sequences too',
    )
    await assert.rejects(target.pool.query('delete from audit_log'), 'what guards the tables is in force again')
    await target.close()
    const full = restoreBackup({ path, home: join(other, 'second'), databaseUrl, logger })
    await assert.rejects(full, /the database is not empty/)
    const { readdir } = await import('node:fs/promises')
    assert.deepEqual(await readdir(join(other, 'second')), [], 'what was begun was taken back')
  } finally {
    await system.stop()
  }
})

test('every table comes after those that it refers to', async (t) => {
  const home = temporaryHome(t)
  const database = await openDatabase({ home, databaseUrl: undefined, logger })
  const client = await database.pool.connect()
  t.after(async () => {
    client.release()
    await database.close()
  })
  const names = (await tablesOf(client as never)).map(({ name }) => name)
  const { rows } = await client.query(
    `select conrelid::regclass::text as "from", confrelid::regclass::text as "to" from pg_constraint where contype = 'f' and conrelid <> confrelid`,
  )
  assert.ok(rows.length > 10)
  for (const { from, to } of rows) assert.ok(names.indexOf(to) < names.indexOf(from), `${from} refers to ${to}`)
})
