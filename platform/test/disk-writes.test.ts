import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startPlatform, until } from './platform.ts'

const ofVersion1 = '/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device'

test('what a sandbox writes in a second is limited while it lives, and its device is free of that afterwards', async (t) => {
  const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_DISK_WRITE_MBPS: '123' })
  const path = await platform.sandbox()
  const { runtime } = await platform.json('GET', path)
  if (runtime.disk !== 'loop') return t.skip(`the disk is ${runtime.disk} here`)
  const limit = (device: string) => limits().find((line) => line.startsWith(`7:${device} `))
  // The one that is prepared for the next start has a device too.
  const device = await until('the limit is set', () =>
    loopDevices(platform.home).find((one) => limit(one)?.includes('123000000')),
  )
  await platform.call('DELETE', path)
  assert.equal(limit(device), undefined)
})

function loopDevices(home: string): string[] {
  return readdirSync('/sys/block').flatMap((name) => {
    const file = `/sys/block/${name}/loop/backing_file`
    return existsSync(file) && readFileSync(file, 'utf8').includes(home) ? [name.slice('loop'.length)] : []
  })
}

/** Lines of the kernel's tables: of version 1 there is one, of version 2 each group has its own. */
function limits(): string[] {
  if (existsSync(ofVersion1)) return readFileSync(ofVersion1, 'utf8').split('\n')
  return readdirSync('/sys/fs/cgroup', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.startsWith('warren-') && file.endsWith('/io.max'))
    .flatMap((file) => readFileSync(`/sys/fs/cgroup/${file}`, 'utf8').split('\n'))
}
