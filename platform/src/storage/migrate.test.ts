import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import { type Migration, migrate, ownMigrations } from './migrate.ts'

const own = ownMigrations()
const good: Migration = { name: '9001_good.sql', sql: 'create table good (id int)' }
const bad: Migration = { name: '9002_bad.sql', sql: 'create table half (id int); select nonsense' }

for (const origin of postgresOrigins) {
  describe(`migrate(), ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('it applies what is new, once, also when several processes do it at the same moment', async (t) => {
      const { pool } = await openTestDatabase(t, origin)
      const applied = await Promise.all([1, 2, 3].map(() => migrate(pool, [...own, good])))
      assert.deepEqual(applied.flat(), [good.name])
      assert.deepEqual(await migrate(pool, [...own, good]), [])
    })

    test('one that fails leaves nothing of itself', async (t) => {
      const { pool } = await openTestDatabase(t, origin)
      await assert.rejects(migrate(pool, [...own, good, bad]), {
        code: 'internal',
        message: /9002_bad\.sql could not be applied/,
      })
      const { rows } = await pool.query(`select to_regclass('good') as good, to_regclass('half') as half`)
      assert.deepEqual(rows, [{ good: 'good', half: null }])
    })
  })
}

test('migrate() refuses a changed migration and a database of a newer Warren', async (t) => {
  const { pool } = await openTestDatabase(t)
  await migrate(pool, [...own, good])
  await assert.rejects(migrate(pool, [...own, { ...good, sql: 'select 1' }]), {
    code: 'conflict',
    message: /was changed/,
  })
  await assert.rejects(migrate(pool, own), { code: 'conflict', message: /does not know/ })
})
