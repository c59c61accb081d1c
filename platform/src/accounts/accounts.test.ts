import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTestDatabase } from '../../test/test-database.ts'
import { adminKey } from './admin-key.ts'
import { authenticator } from './authenticate.ts'
import { Keys } from './keys.ts'

const account = { id: 'a1', name: 'operator', maxSandboxes: 10 }

test('the admin key is minted once, readable by its owner only, and has the form E2B clients accept', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'warren-key-'))
  t.after(() => rm(home, { recursive: true }))
  const keys = await Promise.all([adminKey(home), adminKey(home), adminKey(home)])
  assert.match(keys[0]!, /^e2b_[0-9a-f]{40}$/)
  assert.deepEqual(new Set(keys).size, 1)
  assert.equal(await adminKey(home), keys[0])
  assert.equal((await stat(join(home, 'admin.key'))).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(home), ['admin.key'])
})

test('a key file with something else in it is refused, not overwritten', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'warren-key-'))
  t.after(() => rm(home, { recursive: true }))
  await writeFile(join(home, 'admin.key'), 'hello\n')
  await assert.rejects(adminKey(home), /does not hold a key/)
})

test('the admin key authenticates its account, so do keys that were made, and nothing else does', async (t) => {
  const db = await openTestDatabase(t)
  const keys = new Keys({ db, now: () => new Date() })
  const { authenticate, managesKeys } = authenticator({ adminKey: 'e2b_00', account, keys })
  const shows = (key: string | undefined) => authenticate({ key })
  assert.equal(await shows('e2b_00'), account)
  for (const key of [undefined, '', 'e2b_01', 'sk_e2b_01', 'x'.repeat(5000)])
    await assert.rejects(shows(key), { code: 'unauthenticated' })
  assert.deepEqual([await managesKeys({ key: 'e2b_00' }), await managesKeys({ key: 'e2b_01' })], [true, false])

  const made = await keys.create('a1', { kind: 'key', name: 'ci' })
  const token = await keys.create('a1', { kind: 'token', name: 'cli' })
  const others = await keys.create('a2', { kind: 'key', name: 'not ours' })
  assert.match(made.secret, /^e2b_[0-9a-f]{40}$/)
  assert.deepEqual(made.key.mask, {
    prefix: 'e2b_',
    valueLength: 40,
    maskedValuePrefix: made.secret.slice(4, 6),
    maskedValueSuffix: made.secret.slice(-4),
  })
  assert.equal(await shows(made.secret), account)
  assert.equal(await shows(token.secret), account)
  await assert.rejects(shows(others.secret), { code: 'unauthenticated' })
  assert.deepEqual([await managesKeys({ key: made.secret }), await managesKeys({ key: token.secret })], [false, true])
  assert.ok((await keys.list('a1', 'key'))[0]!.lastUsedAt)
  assert.deepEqual(
    (await keys.list('a1', 'key')).map(({ name }) => name),
    ['ci'],
  )
  const { rows } = await db.pool.query('select hash, mask::text from keys')
  assert.ok(!JSON.stringify(rows).includes(made.secret.slice(8, 30)), 'a key is not kept in clear')

  assert.equal(await keys.rename('a1', others.key.id, 'ours'), false)
  assert.equal(await keys.remove('a1', others.key), false)
  assert.equal(await keys.remove('a1', { id: made.key.id, kind: 'token' }), false)
  assert.equal(await keys.remove('a1', made.key), true)
  assert.equal(await keys.remove('a1', made.key), false)
  await assert.rejects(shows(made.secret), { code: 'unauthenticated' })
})
