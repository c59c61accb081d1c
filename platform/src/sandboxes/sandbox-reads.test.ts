import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import type { Database } from '../storage/database.ts'
import { SandboxReads } from './sandbox-reads.ts'

const newest = { first: 'newest', after: undefined, limit: 10 } as const

for (const origin of postgresOrigins) {
  describe(`records of sandboxes, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('what somebody else writes is seen by the next who asks, alone and in lists; what did not change is the same object', async (t) => {
      const db = await openTestDatabase(t, origin)
      const reads = new SandboxReads(db)
      for (const id of ['s1', 's2', 's3']) await insert(db, id)
      const [one, two] = [await reads.find('org0', 's1'), await reads.find('org0', 's2')]
      assert.equal(one?.state, 'running')

      await db.pool.query(`update sandboxes set state = 'paused' where id = 's1'`)
      assert.equal((await reads.find('org0', 's1'))?.state, 'paused')
      assert.equal(await reads.find('org0', 's2'), two)

      // Twice: the second time all of it is remembered.
      for (let time = 0; time < 2; time++) {
        const listed = await reads.list('org0', { metadata: {} }, newest)
        assert.deepEqual(
          listed.map(({ id, state }) => `${id} ${state}`),
          ['s3 running', 's2 running', 's1 paused'],
        )
      }
      await db.pool.query(`update sandboxes set state = 'stopping' where id = 's3'`)
      const running = await reads.list('org0', { state: 'running', metadata: {} }, newest)
      assert.deepEqual(running.map(({ id }) => id), ['s2']) // biome-ignore format: one line says it

      await db.pool.query(`update sandboxes set ended_at = now() where id = 's2'`)
      assert.equal(await reads.find('org0', 's2'), undefined)
      assert.equal((await reads.list('org0', { metadata: {} }, newest)).length, 2)
    })

    test("another account's are not found, alone or in lists, also where they are remembered", async (t) => {
      const db = await openTestDatabase(t, origin)
      const reads = new SandboxReads(db)
      await insert(db, 's1')
      for (let time = 0; time < 2; time++) {
        assert.equal((await reads.find('org0', 's1'))?.id, 's1')
        assert.equal(await reads.find('org1', 's1'), undefined)
        assert.deepEqual(await reads.list('org1', { metadata: {} }, newest), [])
      }
      assert.equal(await reads.find('org0', "s1'"), undefined)
    })

    test('every filter, alone and with the others, page by page', async (t) => {
      const db = await openTestDatabase(t, origin)
      const reads = new SandboxReads(db)
      for (const id of ['s1', 's2', 's3']) await insert(db, id)
      await db.pool.query(`update sandboxes set metadata = '{"team": "blue"}' where id <> 's2'`)
      const filters = [
        { state: ['running'] as const },
        { template: 'base' },
        { createdFrom: new Date('2026-01-01T00:00:01Z') },
        { metadata: { team: 'blue' } },
      ]
      for (let chosen = 0; chosen < 2 ** filters.length; chosen++) {
        const filter = Object.assign({ metadata: {} }, ...filters.filter((_, at) => chosen & (1 << at)))
        const ids = chosen & 8 ? ['s1', 's3'] : ['s1', 's2', 's3']
        assert.equal(await reads.count('org0', filter), ids.length)
        const found: string[] = []
        let after: { createdAt: Date; id: string } | undefined
        for (const _ of ids) {
          const [next] = await reads.list('org0', filter, { first: 'oldest', after, limit: 1 })
          found.push(next!.id)
          after = next
        }
        assert.deepEqual(found, ids)
        assert.deepEqual(await reads.list('org0', filter, { first: 'oldest', after, limit: 1 }), [])
      }
    })
  })
}

async function insert(db: Database, id: string): Promise<void> {
  await db.pool.query(
    `insert into sandboxes (id, account_id, template, state, limits, metadata, created_at, expires_at)
     values ($1, 'org0', 'base', 'running', '{}', '{}', $2, $2)`,
    [id, new Date(`2026-01-01T00:00:0${id.slice(1)}Z`)],
  )
}
