import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { giveBootId, keepBootId } from './boot-id.ts'

const root = await mkdtemp(join(tmpdir(), 'warren-boot-id-'))
after(() => rm(root, { recursive: true }))

async function folder(name: string) {
  const path = join(root, name)
  await mkdir(join(path, 'host'), { recursive: true })
  return { path, shown: () => readFile(join(path, 'host/boot-id'), 'utf8') }
}

test('a copy and a new boot have an id of their own; what comes back in its own place has the one that it had', async () => {
  const source = await folder('source')
  const saved = join(root, 'saved')
  await mkdir(join(saved, 'memory'), { recursive: true })
  assert.equal(await giveBootId(source, undefined), true)
  const boot = await source.shown()
  assert.match(boot, /^[0-9a-f-]{36}\n$/)
  await keepBootId(source, join(saved, 'memory'))

  const from = { path: saved, slot: 1, token: 'c1' }
  const copy = await folder('copy')
  assert.equal(await giveBootId(copy, from), true)
  assert.notEqual(await copy.shown(), boot)
  const again = await folder('again')
  assert.equal(await giveBootId(again, { ...from, kept: ['disk.img'] }), true)
  assert.equal(await again.shown(), boot)
  const filesAlone = { path: saved, slot: 1, kept: ['disk.img'] }
  assert.equal(await giveBootId(again, filesAlone), true)
  assert.notEqual(await again.shown(), boot)
})

test('what was saved without one is brought back without one', async () => {
  const old = join(root, 'old')
  await mkdir(join(old, 'memory'), { recursive: true })
  const dir = await folder('of-old')
  assert.equal(await giveBootId(dir, { path: old, slot: 1, token: 'c1' }), false)
  await assert.rejects(dir.shown(), /ENOENT/)
  await keepBootId(dir, join(old, 'memory'))
  await assert.rejects(readFile(join(old, 'memory/boot-id')), /ENOENT/)
})
