import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import type { Database } from '../storage/database.ts'
import { balanceOf, type Entry, listPostings, type Posting, post } from './ledger.ts'

const at = new Date('2026-01-01T00:00:00Z')
const most = 2n ** 63n - 1n

for (const origin of postgresOrigins) {
  describe(`the ledger, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('a posting is there once, however often it is told, and amounts beyond 2^53 are exact', async (t) => {
      const db = await openTestDatabase(t, origin)
      const { kysely } = db
      const entries = transfer('USD', most)
      assert.equal(await write(db, { key: 'payment:1', at, entries }), true)
      assert.equal(await write(db, { key: 'payment:1', at, entries }), false)
      assert.equal(await balanceOf(kysely, 'cash:x', 'USD'), most)
      assert.equal(await balanceOf(kysely, 'wallet:a', 'USD'), -most)
      await assert.rejects(write(db, { key: 'payment:1', at, entries: transfer('USD', 7n) }), /other entries/)
      const [posting] = await listPostings(kysely, { after: 0, limit: 10, account: 'cash:' })
      assert.equal(posting!.entries[0]!.minor, most)
    })

    test('what does not balance in each currency, is zero, too large or in no currency is refused', async (t) => {
      const db = await openTestDatabase(t, origin)
      const { kysely } = db
      const bad: Record<string, Entry[]> = {
        'off by 1 of USD': [
          ...transfer('USD', 5n),
          ...transfer('EUR', 5n),
          { account: 'a', currency: 'USD', minor: 1n },
        ],
        'fewer than two': [],
        'entry of zero': transfer('USD', 0n),
        'more than can be held': transfer('USD', most + 1n),
        'not a currency': transfer('XXY', 1n),
      }
      for (const [message, entries] of Object.entries(bad))
        await assert.rejects(write(db, { key: message, at, entries }), new RegExp(message))
      const one = [
        { account: 'a', currency: 'USD', minor: 1n },
        { account: 'b', currency: 'EUR', minor: -1n },
      ]
      await assert.rejects(write(db, { key: 'mixed', at, entries: one }), /off by/)
      assert.deepEqual(await listPostings(kysely, { after: 0, limit: 10 }), [])
    })

    test('the database itself refuses what does not balance, comes later, changes or goes', async (t) => {
      const db = await openTestDatabase(t, origin)
      const { kysely, pool } = db
      await write(db, { key: 'payment:1', at, entries: transfer('USD', 5n) })
      const insert = `insert into ledger_entries (posting, position, account, currency, amount)`
      const refused = {
        [`${insert} values (1, 3, 'cash:x:USD', 'USD', 1), (1, 4, 'wallet:a:USD', 'USD', -1)`]: /is closed/,
        'update ledger_entries set amount = amount + 1': /never changed/,
        'delete from ledger_entries': /never changed/,
        'truncate ledger_entries cascade': /never changed/,
        "update ledger_postings set key = 'x'": /never changed/,
        "insert into ledger_postings (key, at) values ('empty', now())": /has no entries/,
        [`with p as (insert into ledger_postings (key, at) values ('off', now()) returning seq) ${insert}
          select seq, 1, 'cash:x:USD', 'EUR', 1 from p`]: /foreign key|is closed/,
      }
      for (const [statement, reason] of Object.entries(refused)) await assert.rejects(pool.query(statement), reason)
      const client = await pool.connect()
      await client.query("begin; insert into ledger_postings (key, at) values ('off', now())")
      await client.query(`${insert} select max(seq), 1, 'cash:x:USD', 'USD', 1 from ledger_postings`)
      await client.query(`${insert} select max(seq), 2, 'wallet:a:USD', 'USD', -2 from ledger_postings`)
      await assert.rejects(client.query('commit'), /is off by -1 USD/)
      client.release(true)
      assert.equal(await balanceOf(kysely, 'cash:x', 'USD'), 5n)
    })
  })
}

function transfer(currency: string, minor: bigint): Entry[] {
  return [
    { account: 'cash:x', currency, minor },
    { account: 'wallet:a', currency, minor: -minor },
  ]
}

function write(db: Database, posting: Posting): Promise<boolean> {
  return db.transaction((tx) => post(tx, posting))
}
