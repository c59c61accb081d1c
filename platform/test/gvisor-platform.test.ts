import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { choosePlatform, distrustKvm, platformOf } from '../src/engine/drivers/oci/gvisor-platform.ts'
import type { Host } from '../src/engine/host/host.ts'

const folder = await mkdtemp(join(tmpdir(), 'warren-kvm-test-'))
after(() => rm(folder, { recursive: true, force: true }))

/** A runsc that does as the shell line says, and a host that knows nothing yet. */
async function host(name: string, line: string): Promise<{ host: Host; runsc: string }> {
  const runsc = join(folder, `runsc-${name}`)
  await writeFile(runsc, `#!/bin/sh\necho asked >> ${folder}/${name}.asked\n${line}\n`)
  await chmod(runsc, 0o755)
  return { host: { imagesDir: await mkdtemp(join(folder, 'home-')) } as Host, runsc }
}

const asked = async (name: string) => (await readFile(join(folder, `${name}.asked`), 'utf8')).split('\n').length - 1
const skip =
  (process.getuid!() !== 0 && 'needs root') || (!existsSync('/dev/kvm') && 'there is no /dev/kvm to be tried')

test('a KVM that hangs is given up within its deadline, leaves nothing, and is not tried again', { skip }, async () => {
  const { host: one, runsc } = await host('hangs', `sleep 7777 & sleep 7777`)
  await choosePlatform(one, runsc)
  assert.equal(platformOf(one), 'systrap')
  const again = { ...one }
  await choosePlatform(again, runsc)
  assert.deepEqual([platformOf(again), await asked('hangs')], ['systrap', 1])
  const commands = (await readdir('/proc')).filter((pid) => /^\d+$/.test(pid)).map((pid) => `/proc/${pid}/cmdline`)
  const lines = await Promise.all(commands.map((path) => readFile(path, 'utf8').catch(() => '')))
  assert.ok(!lines.some((line) => line.startsWith('sleep\x007777')))
})

test('a KVM that boots is taken, remembered, and distrusted when our own sandbox does not start', {
  skip,
}, async () => {
  const { host: one, runsc } = await host('boots', 'exit 0')
  await choosePlatform(one, runsc)
  const again = { ...one }
  await choosePlatform(again, runsc)
  assert.deepEqual([platformOf(one), platformOf(again), await asked('boots')], ['kvm', 'kvm', 1])
  await distrustKvm(again)
  const later = { ...one }
  await choosePlatform(later, runsc)
  assert.deepEqual([platformOf(again), platformOf(later), await asked('boots')], ['systrap', 'systrap', 1])
})

test('a verdict of an earlier boot of the machine counts no more', { skip }, async () => {
  const { host: one, runsc } = await host('earlier', 'exit 1')
  const verdict = { bootId: 'another', platform: 'kvm' }
  await writeFile(join(one.imagesDir, 'gvisor-platform.json'), JSON.stringify(verdict))
  await choosePlatform(one, runsc)
  assert.deepEqual([platformOf(one), await asked('earlier')], ['systrap', 1])
})
