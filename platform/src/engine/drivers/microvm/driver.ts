import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../../errors.ts'
import type { Driver, DriverInstance, Hold, InstanceDir, InstanceSpec, Limits } from '../../driver.ts'
import { GuestClient } from '../../guest/client.ts'
import { type Host, hostUid } from '../../host/host.ts'
import { launchKept, noFreezer, recoverKept } from '../../host/keeper-instance.ts'
import { templateDisk } from '../../images/template-disk.ts'
import { chooseAcceleration } from './acceleration.ts'
import { askMachine, controlSocket, openConsole } from './control.ts'
import { initialFiles } from './initial-files.ts'
import { findKernel } from './kernel.ts'
import { type Acceleration, hostLimits, type MachineParts, machineSize } from './machine.ts'
import { shownImage } from './shown-image.ts'
import { Templates } from './templates.ts'
import type { MachinePlan, SavedMachine, Vmm } from './vmm.ts'

/** From the start of the monitor to an answer of the agent inside, milliseconds. */
const bootMs = { kvm: 10_000, tcg: 120_000 }
/** One uid of the sandbox's own range: whoever breaks out of the machine is nobody. */
const machineUid = 1
const defaultUser = 'user'
const controlFd = 4

export interface MicrovmOptions {
  /** The operator's kernel; else one that was fetched. */
  kernel?: string | undefined
}

/** A virtual machine for each sandbox, with a kernel of its own. Started as a copy of one that has booted. */
export function microvmDriver(host: Host, vmm: Vmm, options: MicrovmOptions): Driver {
  const templates = new Templates(host.imagesDir, host.guestBinary)
  const guestCgroups = host.cgroups && {
    ...host.cgroups,
    create: (id: string, limits: Limits) =>
      host.cgroups?.create(id, hostLimits(limits, vmm.memoryMb)) ?? Promise.resolve(),
  }
  const known = (spec: InstanceSpec, dir: InstanceDir) => ({
    ...{ spec, dir, cgroups: guestCgroups, disk: 'loop' as const, unenforced: [], defaultUser },
  })
  let machine: { program: string; version: string; kernel: string; acceleration: Acceleration } | undefined
  /** Where the processor runs code of a guest, and no guest came up all the same. */
  let kvmRefused: string | undefined
  let preparing: Promise<Omit<MachineParts, 'disk'>> | undefined

  async function prepare(folders: readonly string[]): Promise<Omit<MachineParts, 'disk'>> {
    const kernel = await findKernel(host.toolsDir, options.kernel)
    if ('missing' in kernel) throw new WarrenError('unavailable', kernel.missing)
    await mkdir(host.cacheDir, { recursive: true, mode: 0o755 })
    const files = await initialFiles(host.cacheDir, kernel, host.guestBinary)
    return { kernel: kernel.image, initialFiles: files, shown: await shownImage(host.cacheDir, folders) }
  }

  /** Once, and again after a failure. */
  function prepared(folders: readonly string[]): Promise<Omit<MachineParts, 'disk'>> {
    preparing ??= prepare(folders).catch((error) => {
      preparing = undefined
      throw error
    })
    return preparing
  }

  async function start(
    spec: InstanceSpec,
    dir: InstanceDir,
    start: { parts: MachineParts; saved?: SavedMachine },
    signal: AbortSignal,
    hold?: Hold,
  ): Promise<DriverInstance> {
    if (!machine) throw new Error('examine() said no')
    const { acceleration, program } = machine
    const plan: MachinePlan = {
      ...start,
      size: machineSize(spec.limits),
      acceleration,
      uid: hostUid(spec.slot) + machineUid,
    }
    await guestCgroups?.create(spec.id, spec.limits)
    const keeper = {
      launcher: host.launcher,
      options: [
        ...['--disk', 'none', '--rlimit', 'core=0', '--listen', `${controlFd}:${controlSocket}`],
        ...(host.cgroups?.joinFiles(spec.id) ?? []).flatMap((file) => ['--cgroup', file]),
      ],
      argv: [host.guestBinary, 'vm', ...vmm.command(program, plan)],
      deadlineMs: 20_000,
    }
    const instance = await launchKept(known(spec, dir), keeper, signal, hold)
    try {
      await answer(instance, bootMs[acceleration], signal)
      return instance
    } catch (error) {
      await instance.destroy()
      throw error
    }
  }

  /** In the folder of the instance that needs it, and gone from there when this is done. */
  async function bootTemplate(spec: InstanceSpec, dir: InstanceDir, parts: MachineParts, signal: AbortSignal) {
    const instance = await start(spec, dir, { parts }, signal).catch((error: Error) => {
      if (machine?.acceleration === 'kvm' && !signal.aborted) kvmRefused = error.message
      throw error
    })
    return { instance, save: () => askMachine(dir, 'vmSave', signal) }
  }

  return {
    name: vmm.name,
    isolation: 'microvm',
    idleMemoryMb: 64,
    limitsAreFixed: true,
    bootDeadlineMs: 2 * bootMs.tcg,

    async examine() {
      if (!host.root) return { usable: false, reason: 'needs root, for a host user of its own for each machine' }
      const found = await vmm.find()
      if ('missing' in found) return { usable: false, reason: found.missing }
      const kernel = await findKernel(host.toolsDir, options.kernel)
      if ('missing' in kernel) return { usable: false, reason: kernel.missing }
      const { acceleration, why } = await chooseAcceleration(host.guestBinary, kvmRefused)
      machine = { ...found, kernel: kernel.version, acceleration }
      const emulated = acceleration === 'tcg'
      const how = emulated ? `emulated in software (${why})` : 'on KVM'
      return {
        usable: true,
        description: `${vmm.name.slice(8)} ${found.version}, Linux ${kernel.version}, ${how}`,
        emulated,
      }
    },

    capabilities: () => ({
      pause: host.cgroups ? { memory: 'resident' } : { absent: noFreezer },
      snapshot: { absent: 'so far a machine is saved only before anything runs in it, as what others are copied from' },
    }),

    prepare: async ({ rootfs }) => void (await prepared(rootfs.readOnly)),

    async create(spec, dir, signal, hold): Promise<DriverInstance> {
      const parts = await prepared(spec.rootfs.readOnly)
      const disk = await templateDisk(host.imagesDir, spec.rootfs.skeleton, spec.limits.diskMb)
      const { skeleton } = spec.rootfs
      const origin = { machine, size: machineSize(spec.limits), parts, skeleton, guest: host.guestBinary }
      const template = await templates.get(origin, async (into) => {
        const { instance, save } = await bootTemplate(spec, dir, { ...parts, disk }, signal)
        try {
          await save()
          await into(`${dir.path}/saved`)
        } finally {
          await instance.destroy()
        }
      })
      try {
        const from = { parts: { ...parts, disk: template.disk }, saved: template }
        const instance = await start(spec, dir, from, signal, hold)
        return await renewed(instance, { spec, dir }, signal)
      } catch (error) {
        if (!signal.aborted) await templates.forget(template)
        throw error
      }
    },

    async recover(spec, dir): Promise<DriverInstance | undefined> {
      const instance = await recoverKept(known(spec, dir))
      return instance && asMachine(instance, dir)
    },
  }
}

/** Waits until the agent inside answers. */
async function answer(instance: DriverInstance, withinMs: number, signal: AbortSignal): Promise<void> {
  const guest = new GuestClient(instance.agent, { defaultUser, wasOutOfMemory: async () => false })
  const late = AbortSignal.any([signal, AbortSignal.timeout(withinMs)])
  const ended = instance.exited.then(() => {
    throw new WarrenError('unavailable', 'the machine ended before its agent answered')
  })
  ended.catch(() => {})
  for (;;) {
    try {
      return await Promise.race([guest.ping(late), ended])
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (late.aborted) throw new WarrenError('timeout', `the guest did not come up within ${withinMs} ms`)
      const isEnd = await Promise.race([
        ended.then(
          () => false,
          () => true,
        ),
        sleep(5, false),
      ])
      if (isEnd) throw error
    }
  }
}

/** What a copy must not share with the other copies, and the limits that its own kernel keeps. */
async function renewed(
  instance: DriverInstance,
  { spec, dir }: { spec: InstanceSpec; dir: InstanceDir },
  signal: AbortSignal,
): Promise<DriverInstance> {
  const guest = new GuestClient(instance.agent, { defaultUser, wasOutOfMemory: async () => false })
  try {
    await guest.configure({
      seed: randomBytes(64),
      hostname: 'sandbox',
      machineId: randomBytes(16).toString('hex'),
      clockMs: Date.now(),
      maxProcesses: spec.limits.maxProcesses,
      memoryMb: spec.limits.memoryMb,
    })
    signal.throwIfAborted()
    return asMachine(instance, dir)
  } catch (error) {
    await instance.destroy()
    throw error
  }
}

/** The host sees one process; what happens in it the guest's kernel knows. */
function asMachine(instance: DriverInstance, dir: InstanceDir): DriverInstance {
  const guest = new GuestClient(instance.agent, { defaultUser, wasOutOfMemory: async () => false })
  let inside = { processes: 0, oomKills: 0 }
  // Its disk is not the keeper's to copy.
  const { snapshot: _, ...kept } = instance
  return {
    ...kept,
    console: () => openConsole(dir),
    async usage() {
      const usage = await instance.usage()
      inside = await guest.metrics().catch(() => inside)
      return usage && { ...usage, processes: inside.processes, oomKills: usage.oomKills + inside.oomKills }
    },
  }
}
