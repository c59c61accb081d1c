import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readManifest } from './snapshot-manifest.ts'

const manifest = {
  format: 1,
  id: 'n1',
  driver: 'oci/runsc',
  runtime: 'runsc version 1 x64',
  keeps: 'memory',
  token: 'c1',
  template: 'base',
  skeleton: 'base-2',
  readOnly: ['/usr', '/etc/fonts'],
  agent: 'a'.repeat(64),
  slot: 3,
  limits: { cpuCores: 1, memoryMb: 256, diskMb: 64, maxProcesses: 64, maxOpenFiles: 1024 },
  parts: [
    { name: 'disk.img', size: 64 * 1024 * 1024 },
    { name: 'memory/pages.img', size: 10, sha256: 'b'.repeat(64) },
  ],
  createdAt: '2026-01-01T00:00:00.000Z',
}
const disk = manifest.parts[0]!

test('a manifest is read as it was written', () => {
  assert.deepEqual(readManifest(JSON.stringify(manifest)), manifest)
})

test('what is forged is refused, and the reason names it', () => {
  const forged: [change: object, reason: RegExp][] = [
    [{ format: 2 }, /format is 2/],
    [{ format: undefined }, /format is not said/],
    [{ driver: '../x' }, /driver/],
    [{ more: true }, /is not one/],
    [{ slot: 10_000 }, /slot/],
    [{ limits: { ...manifest.limits, memoryMb: -1 } }, /memoryMb/],
    [{ limits: { ...manifest.limits, diskMb: 65 } }, /disk is not as large/],
    [{ readOnly: ['/usr/../root'] }, /way around/],
    [{ readOnly: ['relative'] }, /readOnly/],
    [{ parts: [disk, { name: '../../etc/passwd', size: 1 }] }, /name/],
    [{ parts: [disk, { name: 'memory/../x', size: 1 }] }, /name/],
    [{ parts: [disk, { name: 'memory/a', size: -1 }] }, /size/],
    [{ parts: [disk, disk] }, /parts/],
    [{ parts: [manifest.parts[1]] }, /parts/],
    [{ parts: [disk] }, /does not hold/],
    [{ keeps: 'files' }, /does not hold/],
    [{ token: '../listen' }, /token/],
  ]
  for (const [change, reason] of forged) {
    const text = JSON.stringify({ ...manifest, ...change })
    assert.throws(() => readManifest(text), { code: 'invalid_request', message: reason }, text)
  }
  for (const text of ['', 'null', '[]', '{', '"text"'])
    assert.throws(() => readManifest(text), { code: 'invalid_request' })
})
