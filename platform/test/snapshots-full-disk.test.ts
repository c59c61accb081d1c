import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Answer, startPlatform } from './platform.ts'

const disk = makeDisk(await mkdtemp(join(tmpdir(), 'warren-disk-')))

/** A file system of its own, that a test can fill; or the reason why there is none here. */
function makeDisk(folder: string): { path: string } | string {
  let isMounted = false
  after(() => {
    if (isMounted) execFileSync('umount', ['-l', path])
    rmSync(folder, { recursive: true, force: true })
  })
  const [image, path] = [join(folder, 'image'), join(folder, 'mounted')]
  if (process.getuid?.() !== 0) return 'needs root, for a file system that is full'
  mkdirSync(path)
  try {
    execFileSync('truncate', ['-s', '1G', image])
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
    execFileSync('mount', ['-o', 'loop', image, path], { stdio: 'pipe' })
  } catch (error) {
    return `this host makes no such file system: ${(error as Error).message}`
  }
  isMounted = true
  return { path }
}

test('what is being saved when the disk gets full goes on as before, and nothing is left of it', {
  skip: typeof disk === 'string' && disk,
}, async (t) => {
  const { path: mounted } = disk as { path: string }
  const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
  await platform.kill('SIGTERM')
  // Only sandboxes and snapshots, so that the database has room, and the platform does not see it coming.
  for (const name of ['run', 'snapshots']) {
    renameSync(join(platform.home, name), join(platform.home, `${name}.before`))
    mkdirSync(join(mounted, name), { mode: 0o700 })
    symlinkSync(join(mounted, name), join(platform.home, name))
  }
  await platform.start()
  const ballast = join(mounted, 'ballast')
  const fill = () => {
    const kib = (name: string) =>
      execFileSync('df', ['--output=avail', '-k', name], { encoding: 'utf8' }).split('\n')[1]
    execFileSync('fallocate', ['-l', `${Number(kib(mounted)) - 4096}KiB`, ballast])
  }
  const { runtimes } = await platform.json('GET', '/v1/runtimes')
  const able = runtimes.filter(({ healthy, capabilities }: Answer) => healthy && capabilities.snapshot.keeps)
  assert.ok(able.length > 0, 'a runtime that takes snapshots')

  for (const { driver, capabilities } of able) {
    await t.test(driver, async () => {
      const limits = { diskMb: 64, memoryMb: 256 }
      const path = await platform.sandbox({ isolation: { driver }, limits })
      const run = async (command: string) =>
        (await platform.json('POST', `${path}/execute`, { command })).stdout.trim() as string
      await run('head -c 24000000 /dev/urandom > /home/user/kept; sync')
      await platform.json('POST', `${path}/processes`, {
        command: `python3 -c "import os, time; held = os.urandom(48 << 20); open('/tmp/ready', 'w').close(); time.sleep(3600)"`,
      })
      await run('while [ ! -e /tmp/ready ]; do sleep 0.05; done; sync')
      const sum = await run('md5sum /home/user/kept')
      const keepsMemory = capabilities.snapshot.keeps === 'memory'
      const before = instanceFiles(mounted)

      fill()
      for (const verb of keepsMemory ? ['pause', 'fork', 'snapshots'] : ['snapshots']) {
        const refused = await platform.call('POST', `${path}/${verb}`)
        const problem = await refused.json()
        assert.deepEqual([refused.status, problem.code], [429, 'limit_exceeded'], JSON.stringify(problem))
        assert.match(problem.message, /disk/)
        assert.equal((await platform.json('GET', path)).state, 'running')
        assert.equal(await run('md5sum /home/user/kept'), sum)
      }
      assert.deepEqual(readdirSync(join(mounted, 'snapshots')), [])
      assert.deepEqual(instanceFiles(mounted), before)
      assert.equal((await platform.json('GET', '/v1/sandboxes')).sandboxes.length, 1)

      rmSync(ballast)
      const running = async () =>
        (await platform.json('GET', `${path}/processes`)).processes.filter(({ state }: Answer) => state === 'running')
      assert.equal((await running()).length, 1)
      const { id } = await platform.json('POST', `${path}/snapshots`)
      await platform.json('POST', `${path}/pause`)

      if (keepsMemory) {
        fill()
        const refused = await platform.call('POST', `${path}/resume`)
        if (!refused.ok) assert.equal((await platform.json('GET', path)).state, 'paused')
        rmSync(ballast)
      }
      await platform.json('POST', `${path}/resume`)
      assert.equal(await run('md5sum /home/user/kept'), sum)
      assert.equal((await running()).length, 1)
      await platform.json('DELETE', path)
      await platform.json('DELETE', `/v1/snapshots/${id}`)
    })
    if (existsSync(ballast)) rmSync(ballast)
  }
})

/** Of all instances; what is prepared for the next start comes and goes. */
function instanceFiles(mounted: string): string[] {
  const folder = join(mounted, 'run')
  const begun = readdirSync(folder).filter((id) => existsSync(join(folder, id, 'state.json')))
  return begun.flatMap((id) => readdirSync(join(folder, id)).map((name) => `${id}/${name}`)).sort()
}
