import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openTestDatabase } from '../../test/test-database.ts'
import { adminKey } from './admin-key.ts'
import { authenticator } from './authenticate.ts'
import { Keys } from './keys.ts'
import { Organisations } from './organisations.ts'
import { Sessions } from './sessions.ts'
import { Signer } from './signer.ts'

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

test('the admin key acts for any organisation, keys that were made for their own, and nothing else for any', async (t) => {
  const db = await openTestDatabase(t)
  let at = new Date()
  const now = () => at
  const keys = new Keys({ db, now })
  const organisations = new Organisations({ db, now, maxSandboxes: 10 })
  const sessions = new Sessions({ db, now, signer: new Signer({ seed: 'seed', now }) })
  const other = await organisations.create({ name: 'other', maxSandboxes: 3 })
  const authenticate = authenticator({ adminKey: 'e2b_00', organisations, keys, sessions, now })
  const shows = async (key: string | undefined, organisation?: string) => authenticate({ key, organisation })

  const admin = await shows('e2b_00')
  assert.deepEqual([admin.account.id, admin.account.maxSandboxes, admin.principal.kind], ['org0', 10, 'admin'])
  assert.deepEqual((await shows('e2b_00', other.id)).account.maxSandboxes, 3)
  await assert.rejects(shows('e2b_00', 'none'), { code: 'not_found' })
  for (const key of [undefined, '', 'e2b_01', 'sk_e2b_01', 'x'.repeat(5000)])
    await assert.rejects(shows(key), { code: 'unauthenticated' })

  const made = await keys.create('org0', { kind: 'key', name: 'ci' })
  const token = await keys.create('org0', { kind: 'token', name: 'cli' })
  const others = await keys.create(other.id, {
    kind: 'key',
    name: 'not ours',
    role: 'viewer',
    scopes: ['sandboxes:read'],
  })
  assert.match(made.secret, /^e2b_[0-9a-f]{40}$/)
  assert.deepEqual(made.key.mask, {
    prefix: 'e2b_',
    valueLength: 40,
    maskedValuePrefix: made.secret.slice(4, 6),
    maskedValueSuffix: made.secret.slice(-4),
  })
  assert.deepEqual((await shows(made.secret)).principal, {
    kind: 'key',
    id: made.key.id,
    accountId: 'org0',
    role: 'developer',
    scopes: undefined,
    keyId: made.key.id,
  })
  assert.equal((await shows(token.secret)).principal.role, 'admin')
  const { account, principal } = await shows(others.secret)
  assert.deepEqual([account.id, principal.role, principal.scopes], [other.id, 'viewer', ['sandboxes:read']])
  assert.equal((await shows(others.secret, other.id)).account.id, other.id)
  await assert.rejects(shows(others.secret, 'org0'), { code: 'not_found' })
  assert.ok((await keys.list('org0', 'key'))[0]!.lastUsedAt)
  assert.deepEqual(
    (await keys.list('org0', 'key')).map(({ name }) => name),
    ['ci'],
  )
  const { rows } = await db.pool.query('select hash, mask::text from keys')
  assert.ok(!JSON.stringify(rows).includes(made.secret.slice(8, 30)), 'a key is not kept in clear')

  const brief = await keys.create('org0', { kind: 'key', name: 'brief', expiresAt: new Date(at.getTime() + 1000) })
  await shows(brief.secret)
  at = new Date(at.getTime() + 1000)
  await assert.rejects(shows(brief.secret), /expired at/)

  assert.equal(await keys.rename('org0', others.key.id, 'ours'), false)
  assert.equal(await keys.remove('org0', others.key), false)
  assert.equal(await keys.remove('org0', { id: made.key.id, kind: 'token' }), false)
  assert.equal(await keys.remove('org0', made.key), true)
  assert.equal(await keys.remove('org0', made.key), false)
  await assert.rejects(shows(made.secret), { code: 'unauthenticated' })
})

test('a key that another process takes away is refused within a second', async (t) => {
  const db = await openTestDatabase(t)
  const now = () => new Date()
  const [here, there] = [new Keys({ db, now }), new Keys({ db, now })]
  const { key, secret } = await here.create('org0', { kind: 'key', name: 'ci' })
  assert.ok(await here.find(secret))
  await there.remove('org0', key)
  const removedAt = performance.now()
  while (await here.find(secret)) {
    assert.ok(performance.now() - removedAt < 5000, 'what is remembered is good for a second')
    await sleep(20)
  }
})

test('organisations have names of their own', async (t) => {
  const db = await openTestDatabase(t)
  const organisations = new Organisations({ db, now: () => new Date(), maxSandboxes: 10 })
  const made = await organisations.create({ name: 'team' })
  assert.equal(made.maxSandboxes, 10)
  await assert.rejects(organisations.create({ name: 'team' }), { code: 'conflict' })
  await assert.rejects(organisations.change(made.id, { name: 'operator' }), { code: 'conflict' })
  assert.equal((await organisations.change(made.id, { name: 'crew', maxSandboxes: 2 })).maxSandboxes, 2)
  assert.equal((await organisations.get(made.id)).name, 'crew')
  assert.equal((await organisations.change(made.id, { maxSandboxes: null })).maxSandboxes, 10)
  await assert.rejects(organisations.change('none', { name: 'x' }), { code: 'not_found' })
  assert.deepEqual(
    (await organisations.list()).map(({ name }) => name),
    ['operator', 'crew'],
  )
})
