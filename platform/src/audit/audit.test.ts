import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import { createLogger } from '../telemetry/logger.ts'
import { AuditLog } from './audit-log.ts'
import type { AuditEntry } from './entry.ts'
import { AuditJournal } from './journal.ts'
import { verifyChain } from './read-chain.ts'
import { searchAudit } from './search.ts'

const logger = createLogger('silent')
const folder = mkdtempSync(join(tmpdir(), 'warren-audit-'))
after(() => rmSync(folder, { recursive: true }))
let journals = 0
const newJournal = () => new AuditJournal(join(folder, `${++journals}`))
const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  at: Date.UTC(2030, 0, 1),
  actorKind: 'key',
  actor: 'k1',
  action: 'sandbox.create',
  subject: 'sb1',
  address: '127.0.0.1',
  requestId: 'r1',
  outcome: 'done',
  ...more,
})

for (const origin of postgresOrigins) {
  test(`entries make one chain, whoever writes, on ${origin} PostgreSQL`, {
    skip: await whyNoPostgres(origin),
  }, async (t) => {
    const db = await openTestDatabase(t, origin)
    await db.pool.query(`insert into organisations (id, name, created_at) values ('a2', 'other', now())`)
    const logs = [
      new AuditLog({ db, logger, journal: newJournal() }),
      new AuditLog({ db, logger, journal: newJournal() }),
    ]
    for (let at = 0; at < 60; at++)
      logs[at % 2]!.begin(at % 3 ? 'org0' : 'a2', entry({ subject: `sb${at}`, details: { name: '\0\ud800"\n名' } }))
    logs[0]!.tell('org0', entry({ action: 'file.read' }))
    await Promise.all(logs.map((log) => log.close()))
    const mine = await verifyChain(db, 'org0')
    assert.deepEqual([mine.whole, mine.entries], [true, 41])
    assert.deepEqual((await verifyChain(db, 'a2')).entries, 20)
    assert.equal((await verifyChain(db, 'nobody')).entries, 0)

    for (const change of ['update audit_log set entry = entry', 'delete from audit_log', 'truncate audit_log'])
      await assert.rejects(db.pool.query(change), /only added to/)
    await db.pool.query('alter table audit_log disable trigger audit_log_is_append_only')
    await db.pool.query(
      `update audit_log set entry = replace(entry, '"k1"', '"k2"') where account_id = 'org0' and seq = 7`,
    )
    assert.deepEqual([(await verifyChain(db, 'org0')).whole, (await verifyChain(db, 'org0')).brokenAt], [false, 7])
    await db.pool.query(
      `update audit_log set entry = replace(entry, '"k2"', '"k1"') where account_id = 'org0' and seq = 7`,
    )
    assert.equal((await verifyChain(db, 'org0')).whole, true)
    await db.pool.query(`delete from audit_log where account_id = 'org0' and seq = 3`)
    assert.equal((await verifyChain(db, 'org0')).brokenAt, 3)
  })
}

test('it is searched by actor, verb, subject and time, by pages, and only in one organisation', async (t) => {
  const db = await openTestDatabase(t)
  const log = new AuditLog({ db, logger, journal: newJournal() })
  log.tell('org0', entry({ at: 1000, subject: 'one' }))
  log.tell('org0', entry({ at: 2000, actor: 'u1', action: 'file.read', subject: 'two' }))
  log.tell('org0', entry({ at: 3000, actor: 'u1', action: 'file.write', subject: 'one' }))
  const found = async (query: object) =>
    (await searchAudit(db, 'org0', { limit: 10, ...query })).entries.map(({ seq }) => seq)
  await log.flush()
  assert.deepEqual(await found({}), [3, 2, 1])
  assert.deepEqual(await found({ actor: 'u1' }), [3, 2])
  assert.deepEqual(await found({ action: 'file.' }), [3, 2])
  assert.deepEqual(await found({ action: 'file' }), [])
  assert.deepEqual(await found({ action: '%.' }), [])
  assert.deepEqual(await found({ subject: 'one' }), [3, 1])
  assert.deepEqual(await found({ from: new Date(2000), to: new Date(3000) }), [2])
  assert.deepEqual((await searchAudit(db, 'other', { limit: 10 })).entries, [])
  const first = await searchAudit(db, 'org0', { limit: 2 })
  assert.equal(first.nextCursor, '2')
  assert.deepEqual(await found({ cursor: first.nextCursor }), [1])
  await assert.rejects(searchAudit(db, 'org0', { limit: 2, cursor: 'x' }), { code: 'invalid_request' })
})

test('what cannot be written is tried again, and what was begun outlives the process', async (t) => {
  const db = await openTestDatabase(t)
  let broken = true
  const pool = {
    query: (...args: unknown[]) =>
      broken ? Promise.reject(new Error('away')) : (db.pool.query as never as (...args: unknown[]) => unknown)(...args),
  }
  const path = join(folder, 'kept')
  const log = new AuditLog({ db: { pool: pool as never }, logger, journal: new AuditJournal(path) })
  log.begin('org0', entry({ subject: 'begun' }))
  await log.flush()
  log.tell('org0', entry({ subject: 'told' }))
  broken = false
  await log.flush()
  const subjects = async () =>
    (await searchAudit(db, 'org0', { limit: 10 })).entries.map(({ subject }) => subject).reverse()
  assert.deepEqual(await subjects(), ['begun', 'told'])

  broken = true
  log.begin('org0', entry({ subject: 'begun again' }))
  await log.flush()
  appendFileSync(path, '["org0","{\\"at')
  const next = new AuditLog({ db, logger, journal: new AuditJournal(path) })
  await next.recover()
  next.begin('org0', entry({ subject: 'the next' }))
  await next.close()
  assert.deepEqual(await subjects(), ['begun', 'told', 'begun again', 'the next'])
  assert.deepEqual(new AuditJournal(path).read(), [])
})
