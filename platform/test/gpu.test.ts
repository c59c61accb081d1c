import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ociDriver } from '../src/engine/drivers/oci/driver.ts'
import { runc } from '../src/engine/drivers/oci/runc.ts'
import { GuestClient } from '../src/engine/guest/client.ts'
import { findGpu, type GpuPlaces, gpuPlaces } from '../src/engine/host/gpu.ts'
import { openBench } from './contracts/engine-bench.ts'
import { startPlatform } from './platform.ts'

const folder = await mkdtemp(join(tmpdir(), 'warren-gpu-test-'))
after(() => rm(folder, { recursive: true, force: true }))

/** A host with these files: devices, descriptions, programs. */
async function places(name: string, files: Record<string, string>): Promise<GpuPlaces> {
  const root = join(folder, name)
  for (const part of ['dev', 'cdi', 'bin']) await mkdir(join(root, part), { recursive: true })
  for (const [path, content] of Object.entries(files)) await writeFile(join(root, path), content)
  return { devices: join(root, 'dev'), descriptions: [join(root, 'cdi')], programs: [join(root, 'bin')] }
}

test('what is missing is said: the device, then the toolkit', async () => {
  const bare = findGpu(await places('bare', { 'dev/nvidiactl': '' }))
  assert.match('missing' in bare ? bare.missing : '', /has no NVIDIA GPU.*nvidia0/)
  const untooled = findGpu(await places('untooled', { 'dev/nvidia0': '', 'cdi/other.json': '{"kind":"vendor/other"}' }))
  assert.match('missing' in untooled ? untooled.missing : '', /nvidia-container-toolkit/)
})

test("the toolkit's hook is run for the container, with all devices", async () => {
  const found = findGpu(
    await places('hook', {
      ...{ 'dev/nvidia0': '', 'dev/nvidiactl': '', 'dev/nvidia-uvm': '', 'dev/null-like': '' },
      'bin/nvidia-container-runtime-hook': '',
    }),
  )
  assert.ok('edits' in found)
  assert.deepEqual(found.edits.hooks.prestart![0]!.args, ['nvidia-container-runtime-hook', 'prestart'])
  assert.equal(found.edits.devices.length, 3)
  assert.ok(found.edits.env.includes('NVIDIA_VISIBLE_DEVICES=all'))
})

const description = JSON.stringify({
  cdiVersion: '0.6.0',
  kind: 'nvidia.com/gpu',
  containerEdits: { env: ['NVIDIA_VISIBLE_DEVICES=void'], mounts: [{ hostPath: '/lib/a', containerPath: '/lib/b' }] },
  devices: [
    { name: '0', containerEdits: { deviceNodes: [{ path: '/dev/fuse' }] } },
    { name: 'all', containerEdits: { deviceNodes: [{ path: '/dev/fuse' }, { path: '/dev/gone' }] } },
  ],
})

test('a description of the container device interface comes before the hook', async () => {
  const files = { 'dev/nvidia0': '', 'cdi/nvidia.json': description, 'bin/nvidia-container-runtime-hook': '' }
  const found = findGpu(await places('described', files))
  assert.ok('edits' in found)
  assert.deepEqual(found.edits.hooks, {})
  assert.equal(found.edits.mounts[0]!.destination, '/lib/b')
  assert.ok(found.edits.devices.length <= 1, 'each device once, and none that is not there')
})

const skip =
  (process.getuid!() !== 0 && 'needs root') || (!existsSync('/dev/fuse') && 'there is no /dev/fuse to stand for a GPU')

test('a device of a description is in the container, which starts as it does without', { skip }, async () => {
  const bench = await openBench()
  try {
    const files = { 'dev/nvidia0': '', 'cdi/nvidia.json': description.replace(/"mounts":\[[^\]]*\]/, '"mounts":[]') }
    const driver = ociDriver({ ...bench.host, gpu: findGpu(await places('started', files)) }, runc)
    assert.equal(driver.refuseGpu!(), undefined)
    const examined = await driver.examine()
    if (!examined.usable) return
    const spec = { ...(await bench.newSpec(driver)), gpu: true as const }
    const instance = await driver.create(spec, bench.store.dir(spec.id), AbortSignal.timeout(20_000))
    try {
      const guest = new GuestClient(instance.agent, { defaultUser: 'user', wasOutOfMemory: async () => false })
      const shown = await guest.exec({ argv: ['stat', '-c', '%F %t:%T', '/dev/fuse'] })
      let text = ''
      for await (const { data } of shown.output()) text += data
      assert.equal(text, 'character special file a:e5\n')
    } finally {
      await instance.destroy()
    }
  } finally {
    await bench.close()
  }
})

test('on a host without, a sandbox with a GPU is refused with the reason, and nothing weaker is given', {
  skip: 'edits' in findGpu(gpuPlaces) && 'this host has a GPU',
}, async () => {
  const platform = await startPlatform()
  const reply = await platform.call('POST', '/v1/sandboxes', { isolation: { gpu: true } })
  assert.equal(reply.status, 503)
  const { code, details } = await reply.json()
  assert.equal(code, 'unavailable')
  const reasons = Object.fromEntries(
    details.passedOver.map(({ driver, reason }: { driver: string; reason: string }) => [driver, reason]),
  )
  assert.match(reasons['oci/runc'], /NVIDIA|needs root|runc/)
  assert.deepEqual((await platform.json('GET', '/v1/sandboxes')).sandboxes, [])
})
