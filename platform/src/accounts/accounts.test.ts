import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { adminKey } from './admin-key.ts'
import { authenticateAdmin } from './authenticate.ts'

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

test('the admin key authenticates its account, no key and a wrong key do not', async () => {
  const authenticate = authenticateAdmin('e2b_00', account)
  assert.equal(await authenticate({ key: 'e2b_00' }), account)
  await assert.rejects(authenticate({ key: undefined }), { code: 'unauthenticated' })
  await assert.rejects(authenticate({ key: '' }), { code: 'unauthenticated' })
  await assert.rejects(authenticate({ key: 'e2b_01' }), { code: 'unauthenticated' })
})
