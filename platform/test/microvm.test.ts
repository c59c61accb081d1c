import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Driver, DriverInstance, InstanceSpec } from '../src/engine/driver.ts'
import { openConsole } from '../src/engine/drivers/microvm/control.ts'
import { microvmDriver } from '../src/engine/drivers/microvm/driver.ts'
import { qemu } from '../src/engine/drivers/microvm/qemu.ts'
import type { Vmm } from '../src/engine/drivers/microvm/vmm.ts'
import { GuestClient } from '../src/engine/guest/client.ts'
import { type Bench, openBench } from './contracts/engine-bench.ts'

let bench: Bench
let driver: Driver
let skip: string | undefined

before(async () => {
  bench = await openBench()
  driver = bench.driver('microvm/qemu')
  const examined = await driver.examine()
  if (!examined.usable) skip = examined.reason
  else await driver.prepare?.(await bench.newSpec(driver))
})
after(() => bench.close())

const cases = (title: string, run: () => Promise<void>) => test(title, (t) => (skip ? t.skip(skip) : run()))

async function start(
  by: Driver = driver,
): Promise<{ spec: InstanceSpec; instance: DriverInstance; guest: GuestClient }> {
  const spec = await bench.newSpec(driver)
  const instance = await by.create(spec, bench.store.dir(spec.id), AbortSignal.timeout(180_000))
  const guest = new GuestClient(instance.agent, { defaultUser: 'user', wasOutOfMemory: async () => false })
  return { spec, instance, guest }
}

async function output(guest: GuestClient, command: string, user = 'user'): Promise<string> {
  const process = await guest.exec({ argv: ['/bin/sh', '-c', command], user })
  let text = ''
  for await (const { data } of process.output()) text += data.toString()
  return text
}

async function leavesNothing(spec: InstanceSpec): Promise<void> {
  assert.deepEqual(await readdir(bench.store.dir(spec.id).path), ['spec.json'])
  assert.deepEqual(await bench.processesOf(spec.id), [])
  assert.equal((await bench.cgroups?.list())?.includes(spec.id) ?? false, false)
}

cases('copies of one machine differ in what must not be shared, and have the time of the host', async () => {
  const copies = await Promise.all([start(), start()])
  const said = await Promise.all(
    copies.map(({ guest }) =>
      output(
        guest,
        'head -c 16 /dev/urandom | od -An -tx1; cat /etc/machine-id /proc/sys/kernel/random/boot_id; date +%s',
      ),
    ),
  )
  const [first = [], second = []] = said.map((text) => text.trim().split('\n'))
  for (const line of [0, 1, 2]) assert.notEqual(first[line], second[line])
  for (const lines of [first, second]) assert.ok(Math.abs(Number(lines[3]) - Date.now() / 1000) < 30, lines[3])
  for (const { instance } of copies) await instance.destroy()
})

cases('what goes on from a snapshot has an id of its boot of its own, and outlives the image that it saw', async () => {
  const { spec, instance, guest } = await start()
  const bootId = 'cat /proc/sys/kernel/random/boot_id'
  const original = await output(guest, bootId)
  const path = join(bench.home, 'snapshot')
  await mkdir(path)
  const { token } = await instance.snapshot!(path, { hold: false }, AbortSignal.timeout(20_000))
  const own = await bench.newSpec(driver)
  const source = { path, slot: spec.slot, token: token! }
  const copy = await driver.restore!(own, bench.store.dir(own.id), source, AbortSignal.timeout(60_000))
  const copied = new GuestClient(copy.agent, { defaultUser: 'user', wasOutOfMemory: async () => false })
  await copied.configure({ machineId: '0123456789abcdef0123456789abcdef' })
  const ids = [original, await output(copied, bootId), await output(guest, bootId)]
  assert.equal(ids[2], original)
  assert.match(ids[1]!, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/)
  assert.notEqual(ids[1], original)
  assert.equal((await stat(join(path, '.shown'))).ino, (await stat(`${bench.store.dir(own.id).path}/.shown`)).ino)
  await copy.destroy()
  await leavesNothing(own)

  await rm(join(path, '.shown'))
  await writeFile(join(path, 'memory/machine.json'), JSON.stringify({ shown: 'another' }))
  await assert.rejects(driver.restore!(own, bench.store.dir(own.id), source, AbortSignal.timeout(60_000)), {
    code: 'invalid_request',
    message: /programs of the host it was taken on/,
  })
  await leavesNothing(own)
  await instance.destroy()
})

cases('carries much at once over one line: a stream that nobody reads holds up no other', async () => {
  const { instance, guest } = await start()
  const stalled = await guest.exec({ argv: ['/bin/sh', '-c', 'head -c 3m /dev/zero; echo done'] })
  const streams = Array.from({ length: 6 }, (_, index) =>
    output(guest, `head -c 100k /dev/zero | wc -c; echo ${index}`),
  )
  for (const [index, text] of (await Promise.all(streams)).entries()) assert.equal(text, `102400\n${index}\n`)
  let bytes = 0
  for await (const { data } of stalled.output()) bytes += data.length
  assert.equal(bytes, 3 * 1024 * 1024 + 5)
  await instance.destroy()
})

cases('shows what the machine says on its console, and takes what is typed', async () => {
  const { spec, instance, guest } = await start()
  const console = await openConsole(bench.store.dir(spec.id))
  let seen = ''
  console.on('data', (chunk: Buffer) => {
    seen += chunk.toString()
  })
  const reader = await guest.exec({ argv: ['/bin/sh', '-c', 'head -1 < /dev/console'], user: 'root' })
  await output(guest, 'echo to the console > /dev/console', 'root')
  console.write('typed\n')
  let read = ''
  for await (const { data } of reader.output()) read += data.toString()
  assert.equal(read.trim(), 'typed')
  assert.match(seen, /to the console/)
  console.destroy()
  await instance.destroy()
})

cases('tells that a machine was killed, and leaves nothing of it', async () => {
  const { spec, instance } = await start()
  const { pid } = JSON.parse(await readFile(`${bench.store.dir(spec.id).path}/state.json`, 'utf8')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  assert.equal((await instance.exited).signal, 9)
  await instance.destroy()
  await leavesNothing(spec)
})

cases('boots a new machine where the saved one is broken, after one that fails with a reason', async () => {
  const template = (await readdir(bench.home)).find((name) => name.startsWith('microvm-'))
  assert.ok(template)
  const state = join(bench.home, template, 'state')
  await chmod(state, 0o600)
  await truncate(state, 1000)
  const spec = await bench.newSpec(driver)
  await assert.rejects(driver.create(spec, bench.store.dir(spec.id), AbortSignal.timeout(180_000)), {
    name: 'WarrenError',
  })
  await leavesNothing(spec)
  const { instance } = await start()
  await instance.destroy()
})

cases('refuses a kernel that is not there, and one that is none, with the reason', async () => {
  const absent = microvmDriver(bench.host, qemu, { kernel: '/nowhere/vmlinuz-1' })
  const examined = await absent.examine()
  assert.ok(!examined.usable)
  assert.match(examined.reason, /WARREN_KERNEL names is not there: \/nowhere\/vmlinuz-1/)

  const kernel = join(bench.home, 'vmlinuz-broken')
  await writeFile(kernel, 'no kernel')
  const broken = microvmDriver(bench.host, qemu, { kernel })
  assert.ok((await broken.examine()).usable)
  const spec = await bench.newSpec(broken)
  await assert.rejects(broken.create(spec, bench.store.dir(spec.id), AbortSignal.timeout(60_000)), {
    code: 'unavailable',
  })
  await leavesNothing(spec)
})

cases('gives up on a monitor that hangs, and leaves nothing of it', async () => {
  const hanging: Vmm = {
    ...qemu,
    command(program, plan) {
      const command = qemu.command(program, plan)
      return [...command.slice(0, command.indexOf('--') + 1), '/bin/sleep', '600']
    },
  }
  const hung = microvmDriver(bench.host, hanging, {})
  assert.ok((await hung.examine()).usable)
  const spec = await bench.newSpec(hung)
  await assert.rejects(hung.create(spec, bench.store.dir(spec.id), AbortSignal.timeout(5000)), { name: 'TimeoutError' })
  await leavesNothing(spec)
})
