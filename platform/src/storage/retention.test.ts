import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../../test/platform.ts'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import { appendEvents, forgetEvents } from '../events/outbox.ts'
import { SandboxStore } from '../sandboxes/store.ts'
import { createLogger } from '../telemetry/logger.ts'
import { startRetention } from './retention.ts'

const minute = 60_000
const now = () => new Date()

for (const origin of postgresOrigins) {
  describe(`retention, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('what was over long ago goes, in batches, and nothing else', async (t) => {
      const db = await openTestDatabase(t, origin)
      const store = new SandboxStore({ db, now })
      const old = new Date(Date.now() - 2 * minute)
      const row = (state: string, at: string) =>
        `insert into sandboxes (id, account_id, template, state, limits, created_at, ended_at)
         select '${state}' || n, 'a', 'base', '${state.slice(0, 7)}', '{}', $1, ${at} from generate_series(1, $2::int) n`
      await db.pool.query(row('stopped', '$1'), [old, 1200])
      await db.pool.query(row('stopped-lately', 'now()'), [old, 3])
      await db.pool.query(row('running', 'null'), [old, 3])
      await db.pool.query(appendEvents(`select 'sandbox.stopped', 'a', 's', '{}' from generate_series(1, 700)`))
      await db.pool.query('update events set at = $1', [old])
      await db.pool.query(appendEvents(`select 'sandbox.stopped', 'a', 'lately', '{}'`))

      const passes: number[] = []
      const forgetSandboxes = async (before: Date, most: number) => {
        passes.push(await store.forgetEnded(before, most))
        return passes.at(-1)!
      }
      const forget = [forgetSandboxes, (before: Date, most: number) => forgetEvents(db, before, most)]
      const stop = startRetention({ keepMs: minute, forget, now, logger: createLogger('warn') })
      t.after(stop)
      const left = async (table: string) => Number((await db.pool.query(`select count(*) from ${table}`)).rows[0].count)
      await until(
        'the old ones are gone',
        async () => (await left('sandboxes')) + (await left('events')) === 7,
        120_000,
      )
      assert.deepEqual(passes.slice(0, 3), [500, 500, 200])
      await stop()
    })
  })
}
