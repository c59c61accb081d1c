import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase, temporaryHome } from '../../test/test-database.ts'
import { createLogger } from '../telemetry/logger.ts'
import { openDatabase } from './database.ts'

const logger = createLogger('silent')

test('transaction() does all or nothing, and 64-bit integers are numbers', async (t) => {
  const database = await openTestDatabase(t)
  const failing = database.transaction(async (tx) => {
    await tx.insertInto('sandboxes').values(sandbox('s1')).execute()
    throw new Error('no')
  })
  await assert.rejects(failing, /no/)
  await database.transaction((tx) => tx.insertInto('sandboxes').values(sandbox('s2')).execute())

  const { rows } = await database.pool.query('select id, count(*) over () as count from sandboxes')
  assert.deepEqual(rows, [{ id: 's2', count: 1 }])
})

test('openDatabase() tells that DATABASE_URL leads nowhere', async (t) => {
  const databaseUrl = 'postgres://nobody:nothing@127.0.0.1:1/none'
  const opening = openDatabase({ home: temporaryHome(t), databaseUrl, logger })
  await assert.rejects(opening, (error: Error & { code: string }) => {
    assert.equal(error.code, 'unavailable')
    assert.match(error.message, /DATABASE_URL cannot be reached/)
    assert.ok(!error.message.includes('nothing'), 'the password is not shown')
    return true
  })
})

function sandbox(id: string) {
  return { id, account_id: 'a', template: 'base', state: 'starting' as const, limits: '{}', env: '{}', metadata: '{}' }
}
