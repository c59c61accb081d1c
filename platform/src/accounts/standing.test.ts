import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase } from '../../test/test-database.ts'
import { nounsHeardFor } from './standing.ts'

test('something lasting hears what its maker might hear then and may hear now', async (t) => {
  const { kysely, pool } = await openTestDatabase(t)
  await pool.query(`insert into users (id, email, name, created_at) values ('u', 'u@example.com', 'U', now())`)
  await pool.query(
    `insert into memberships (account_id, user_id, role, created_at) values ('org0', 'u', 'owner', now())`,
  )
  const heard = async (role: 'owner' | 'billing', kind: 'user' | 'admin' = 'user') =>
    (await nounsHeardFor(kysely, { accountId: 'org0', maker: { kind, id: 'u', role, scopes: undefined } })).sort()
  const now = (role: string) => pool.query('update memberships set role = $1', [role])

  assert.ok((await heard('owner')).includes('invoice'))
  assert.deepEqual(
    await heard('billing'),
    ['invoice', 'member', 'payment', 'quota', 'spend_limit'],
    'no more than then',
  )
  await now('billing')
  assert.deepEqual(await heard('owner'), ['invoice', 'member', 'payment', 'quota', 'spend_limit'], 'no more than now')
  await now('viewer')
  assert.deepEqual(await heard('billing'), ['member', 'quota'])
  await pool.query('delete from memberships')
  const asDeveloper = await nounsHeardFor(kysely, { accountId: 'org0', maker: undefined })
  assert.ok(asDeveloper.includes('volume') && asDeveloper.includes('secret') && !asDeveloper.includes('invoice'))
  assert.deepEqual(await heard('owner'), asDeveloper.sort())
})
