import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { atomicWrite } from './atomic-write.ts'

test('atomicWrite() replaces the content, sets the mode and leaves no other file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'warren-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'secret')
  await atomicWrite(path, 'old', 0o600)
  await atomicWrite(path, 'new', 0o600)
  assert.equal(readFileSync(path, 'utf8'), 'new')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(folder), ['secret'])
})

test('atomicWrite() fails where the folder does not exist', async () => {
  await assert.rejects(atomicWrite('/nonexistent-folder/file', 'x'), { code: 'ENOENT' })
})
