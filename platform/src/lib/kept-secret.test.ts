import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keptSecret } from './kept-secret.ts'

test('a secret is made once, whoever asks at the same time, and only its owner can read it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'warren-secret-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'home', 'a.secret')
  let made = 0
  const mint = () => `secret ${++made}`
  const secrets = await Promise.all([keptSecret(path, mint), keptSecret(path, mint), keptSecret(path, mint)])
  assert.equal(new Set(secrets).size, 1)
  assert.equal(await keptSecret(path, mint), secrets[0])
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(join(folder, 'home')), ['a.secret'])
})
