import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { claimFolder } from './claim-folder.ts'

test('claimFolder() refuses a second owner and takes over from a dead one', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'warren-'))
  t.after(() => rmSync(folder, { recursive: true }))

  const release = claimFolder(folder)
  assert.throws(() => claimFolder(folder), {
    code: 'conflict',
    message: `${folder} is in use by process ${process.pid}`,
  })
  release()

  writeFileSync(join(folder, 'owner'), `${process.pid} 1`)
  claimFolder(folder)()
})
