import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Driver, InstanceSpec, Limits } from '../../src/engine/driver.ts'
import { createDrivers } from '../../src/engine/drivers.ts'
import type { Cgroups } from '../../src/engine/host/cgroups.ts'
import { type Host, openHost } from '../../src/engine/host/host.ts'
import { findByArguments } from '../../src/engine/host/processes.ts'
import { prepareBase } from '../../src/engine/images/base.ts'
import { InstanceStore } from '../../src/engine/instance-store.ts'
import { newId } from '../../src/lib/id.ts'

/** A host of its own for tests of the engine's parts: temporary home, real drivers, real control groups. */
export interface Bench {
  home: string
  runDir: string
  store: InstanceStore
  host: Host
  cgroups: Cgroups | undefined
  driver(name: string): Driver
  /** A recorded spec, ready to be created. */
  newSpec(driver: Driver, limits?: Partial<Limits>): Promise<InstanceSpec>
  processesOf(id: string): Promise<number[]>
  /** Removes everything, also what a failed test left. */
  close(): Promise<void>
}

const guestBinary = fileURLToPath(new URL('../../../guest/target/release/warren-guest', import.meta.url))
/** Where set-up puts what tests need beyond the system's packages. */
const toolsDir = fileURLToPath(new URL('../../../.cache/tools', import.meta.url))
/** What takes long to make is made once for all tests. */
const cacheDir = fileURLToPath(new URL('../../../.cache/host', import.meta.url))
const smallLimits: Limits = { cpuCores: 1, memoryMb: 128, diskMb: 64, maxProcesses: 64, maxOpenFiles: 1024 }

export async function openBench(): Promise<Bench> {
  // A folder that no other user may enter, as /root is: sandboxes must start all the same.
  const home = await mkdtemp(join(tmpdir(), 'warren-bench-'))
  const runDir = join(home, 'run')
  const cgroupParent = `warren-test-${newId('b')}`
  const host = await openHost({ guestBinary, imagesDir: home, toolsDir, cacheDir, cgroupParent, diskWriteMbps: 0 })
  const { cgroups } = host
  const store = await InstanceStore.open(runDir)
  const drivers = createDrivers(host, { allowUnconfined: true })
  const rootfs = await prepareBase(home)
  const driver = (name: string) => {
    const found = drivers.find((candidate) => candidate.name === name)
    if (!found) throw new Error(`no driver is named ${name}`)
    return found
  }
  return {
    home,
    runDir,
    store,
    host,
    cgroups,
    driver,
    async newSpec({ name }, limits = {}) {
      const spec = {
        id: newId('i'),
        template: 'base',
        rootfs,
        limits: { ...smallLimits, ...limits },
        slot: store.takeSlot(),
      }
      await store.write({ spec, driver: name, createdAt: Date.now() })
      return spec
    },
    processesOf: (id) => findByArguments(['keep', '--dir', store.dir(id).path]),
    async close() {
      for (const { spec, driver: name } of await store.readAll()) {
        await (await driver(name).recover(spec, store.dir(spec.id)))?.destroy()
      }
      await cgroups?.close()
      await rm(home, { recursive: true, force: true })
    },
  }
}
