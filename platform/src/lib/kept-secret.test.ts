import assert from 'node:assert/strict'
import { link, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
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

test('what a start that was killed left beside a secret is removed by the next one, and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'warren-secret-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'admin.key')
  const others = ['admin.key.bak', 'admin.key.0123456789ab.old', 'admin.keys.0123456789ab', 'other.key.0123456789ab']
  for (const name of others) await writeFile(join(folder, name), 'mine')
  // Killed before the secret had its name.
  await writeFile(`${path}.0123456789ab`, 'never used')
  assert.equal(await keptSecret(path, () => 'kept'), 'kept')
  assert.deepEqual(await readdir(folder), ['admin.key', ...others].sort())
  // Killed after that: the draft is the secret itself.
  await link(path, `${path}.ba9876543210`)
  assert.equal(await keptSecret(path, () => 'another'), 'kept')
  assert.deepEqual(await readdir(folder), ['admin.key', ...others].sort())
  assert.equal((await stat(path)).nlink, 1)
})

test('many starts at once agree on one secret while each removes what it takes for left', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'warren-secret-'))
  t.after(() => rm(folder, { recursive: true }))
  for (let round = 0; round < 20; round++) {
    const path = join(folder, `${round}.key`)
    let made = 0
    const starts = Array.from({ length: 12 }, () => keptSecret(path, () => `secret ${++made}`))
    assert.equal(new Set(await Promise.all(starts)).size, 1)
  }
  assert.deepEqual((await readdir(folder)).length, 20)
})
