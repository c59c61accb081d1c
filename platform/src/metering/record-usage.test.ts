import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import { recordUsage } from './record-usage.ts'
import type { UsageFact } from './usage-fact.ts'

for (const origin of postgresOrigins) {
  describe(`facts of use, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('a fact that is told again is there once, as it was told first', async (t) => {
      const { kysely } = await openTestDatabase(t, origin)
      await recordUsage(kysely, [fact('a', { cpuMs: 12.4, attributes: { template: 'base' } }), fact('b')])
      await recordUsage(kysely, [fact('a', { cpuMs: 99 }), fact('c')])

      const rows = await kysely.selectFrom('usage_facts').selectAll().orderBy('key').execute()
      assert.deepEqual(
        rows.map(({ key, cpu_ms, attributes }) => ({ key, cpu_ms, attributes })),
        [
          { key: 'a', cpu_ms: 12, attributes: { template: 'base' } },
          { key: 'b', cpu_ms: 0, attributes: {} },
          { key: 'c', cpu_ms: 0, attributes: {} },
        ],
      )
      assert.equal(rows[0]!.ended_at.getTime() - rows[0]!.started_at.getTime(), 1001)
    })

    test('a fact that ends before it starts is refused, with those beside it', async (t) => {
      const { kysely } = await openTestDatabase(t, origin)
      const backwards = fact('backwards', { endedAt: new Date('2026-01-01T00:00:00.000Z') })
      await assert.rejects(recordUsage(kysely, [fact('beside'), backwards]))
      assert.deepEqual(await kysely.selectFrom('usage_facts').select('key').execute(), [])
    })
  })
}

function fact(key: string, more: Partial<UsageFact> = {}): UsageFact {
  const [startedAt, endedAt] = [new Date('2026-01-01T10:00:00.123Z'), new Date('2026-01-01T10:00:01.124Z')]
  return { key, accountId: 'org0', kind: 'sandbox', subject: 'sb_1', startedAt, endedAt, ...more }
}
