import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { keptSeal } from './seal.ts'

const home = await mkdtemp(join(tmpdir(), 'warren-seal-'))
after(() => rm(home, { recursive: true }))
const path = join(home, 'secrets.key')

test('what is sealed opens for its own subject alone, and not after a change', async () => {
  const seal = await keptSeal(home)
  const sealed = seal.close('hunter2', 'org/one')
  assert.equal(seal.open(sealed, 'org/one'), 'hunter2')
  assert.equal((await keptSeal(home)).open(sealed, 'org/one'), 'hunter2')
  assert.notEqual(seal.close('hunter2', 'org/one'), sealed)
  assert.throws(() => seal.open(sealed, 'org/two'))
  for (let at = sealed.indexOf('.') + 1; at < sealed.length; at++) {
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
    // The last letter of a part has bits that say nothing.
    if (['.', undefined].includes(sealed[at + 1]) || sealed[at] === '.') continue
    assert.throws(() => seal.open(changed, 'org/one'), changed)
  }
  assert.throws(() => seal.open('k1.AA.AA.AA', 'org/one'))
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

test('after a new key old values open and new ones are sealed with it; without the old key it is said which is missing', async () => {
  const before = await keptSeal(home)
  const old = before.close('hunter2', 'org/one')
  const next = `k2 ${Buffer.alloc(32, 7).toString('base64')}\n`
  await writeFile(path, (await readFile(path, 'utf8')) + next)
  const both = await keptSeal(home)
  assert.equal(both.open(old, 'org/one'), 'hunter2')
  assert.deepEqual([both.isCurrent(old), both.isCurrent(both.close('x', 'y'))], [false, true])
  await writeFile(path, next)
  const later = await keptSeal(home)
  assert.throws(() => later.open(old, 'org/one'), /key "k1" cannot be opened/)
  await writeFile(path, 'k1 tooshort')
  await assert.rejects(keptSeal(home), /must have an id and 32 bytes/)
})
