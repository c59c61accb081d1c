import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { WarrenError } from '../../../errors.ts'
import { runCommand } from '../../../lib/run-command.ts'
import {
  type Driver,
  type DriverInstance,
  type Hold,
  type InstanceDir,
  type InstanceSpec,
  type Limits,
  snapshotParts,
} from '../../driver.ts'
import { GuestClient } from '../../guest/client.ts'
import { type Host, hostUid } from '../../host/host.ts'
import { launchKept, recoverKept, sweepKept } from '../../host/keeper-instance.ts'
import { templateDisk } from '../../images/template-disk.ts'
import { chooseAcceleration, processorName } from './acceleration.ts'
import { agentAnswers } from './agent-answer.ts'
import { askMachine, controlSocket, saveMachine } from './control.ts'
import { SharedMemories } from './held-memory.ts'
import { initialFiles } from './initial-files.ts'
import { asMachine } from './instance.ts'
import { findKernel } from './kernel.ts'
import { type Acceleration, hostLimits, type MachineParts, machineSize } from './machine.ts'
import { plainKernel } from './plain-kernel.ts'
import { filesOf, monitorFolder, pin } from './saved-machine.ts'
import { imageId, shownImage } from './shown-image.ts'
import { Templates } from './templates.ts'
import type { MachinePlan, SavedMachine, Vmm } from './vmm.ts'

/** From the start of the monitor to an answer of the agent inside, milliseconds. */
const bootMs = { kvm: 10_000, tcg: 120_000 }
/** One uid of the sandbox's own range: whoever breaks out of the machine is nobody. */
const machineUid = 1
const defaultUser = 'user'
const controlFd = 4
/** Raised when what a saved machine consists of changes. */
const templateFormat = 3

export interface MicrovmOptions {
  /** The operator's kernel; else one that was fetched. */
  kernel?: string | undefined
  /** Told what takes minutes. */
  tell?: ((message: string) => void) | undefined
}

/** What is the same for all machines of this host. */
type HostParts = Omit<MachineParts, 'disk'>

/** A virtual machine for each sandbox, with a kernel of its own. Started as a copy of one that has booted. */
export function microvmDriver(host: Host, vmm: Vmm, options: MicrovmOptions): Driver {
  const templates = new Templates(host.imagesDir, host.guestBinary)
  const memories = new SharedMemories(host.guestBinary)
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
  let preparing: Promise<HostParts> | undefined

  async function prepare(folders: readonly string[]): Promise<HostParts> {
    const kernel = await findKernel(host.toolsDir, options.kernel)
    if ('missing' in kernel) throw new WarrenError('unavailable', kernel.missing)
    await mkdir(host.cacheDir, { recursive: true, mode: 0o755 })
    const files = await initialFiles(host.cacheDir, kernel, { guestBinary: host.guestBinary, vmm })
    const image = vmm.plainKernel ? await plainKernel(host.cacheDir, kernel) : kernel.image
    return { kernel: image, initialFiles: files, shown: await shownImage(host.cacheDir, folders, options.tell) }
  }

  /** Once, and again after a failure. */
  function prepared(folders: readonly string[]): Promise<HostParts> {
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
    { hold, remaining }: { hold?: Hold | undefined; remaining?: readonly string[] } = {},
  ): Promise<DriverInstance> {
    if (!machine) throw new Error('examine() said no')
    const { acceleration, program } = machine
    const plan: MachinePlan = {
      ...start,
      size: machineSize(spec.limits),
      acceleration,
      uid: hostUid(spec.slot) + machineUid,
      hasNetwork: spec.network !== undefined,
    }
    await pin(spec.id, dir, start.parts.shown)
    await guestCgroups?.create(spec.id, spec.limits)
    const keeper = {
      launcher: host.launcher,
      options: [
        ...['--disk', 'none', '--rlimit', 'core=0', '--listen', `${controlFd}:${controlSocket}`],
        ...(host.cgroups?.joinFiles(spec.id) ?? []).flatMap((file) => ['--cgroup', file]),
        ...(spec.network ? ['--netns', spec.network.netns] : []),
      ],
      argv: [host.guestBinary, 'vm', ...vmm.command(program, plan)],
      deadlineMs: 20_000,
    }
    const instance = await launchKept({ ...known(spec, dir), remaining }, keeper, signal, hold)
    try {
      await agentAnswers(instance, dir, bootMs[acceleration], signal)
      return instance
    } catch (error) {
      await instance.destroy(remaining)
      throw error
    }
  }

  /** In the folder of the instance that needs it, and gone from there when this is done. */
  async function makeTemplate(
    spec: InstanceSpec,
    dir: InstanceDir,
    parts: MachineParts,
    take: (folder: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const instance = await start(spec, dir, { parts }, signal).catch((error: Error) => {
      if (machine?.acceleration === 'kvm' && !signal.aborted) kvmRefused = error.message
      throw error
    })
    try {
      await warmUp(instance, signal)
      await saveMachine(dir, { disk: true }, signal)
      await take(`${dir.path}/${monitorFolder}`)
    } finally {
      await instance.destroy()
    }
  }

  return {
    name: vmm.name,
    isolation: 'microvm',
    idleMemoryMb: 64,
    limitsAreFixed: true,
    disksStayInside: true,
    holdsWritesBack: true,
    joinsNetwork: existsSync('/dev/net/tun'),
    bootDeadlineMs: 2 * bootMs.tcg,

    async examine() {
      if (!host.root) return { usable: false, reason: 'needs root, for a host user of its own for each machine' }
      const found = await vmm.find(host)
      if ('missing' in found) return { usable: false, reason: found.missing }
      const kernel = await findKernel(host.toolsDir, options.kernel)
      if ('missing' in kernel) return { usable: false, reason: kernel.missing }
      const { acceleration, why } = await chooseAcceleration(host.guestBinary, kvmRefused)
      const emulated = acceleration === 'tcg'
      if (vmm.needsKvm && emulated)
        return {
          usable: false,
          reason: `${vmm.name.slice(8)} ${found.version} needs a processor that runs guests: ${why}`,
        }
      machine = { ...found, kernel: kernel.version, acceleration }
      const how = emulated ? `emulated in software (${why})` : 'on KVM'
      return {
        usable: true,
        description: `${vmm.name.slice(8)} ${found.version}, Linux ${kernel.version}, ${how}`,
        emulated,
      }
    },

    capabilities: () => ({ pause: { memory: 'saved' }, snapshot: { keeps: 'memory' } }),

    memoryFormat() {
      const processor = machine?.acceleration === 'kvm' ? processorName() : 'emulated'
      return `${vmm.name.slice(8)} ${machine?.version} ${process.arch} ${processor}`
    },

    prepare: async ({ rootfs }) => void (await prepared(rootfs.readOnly)),

    async create(spec, dir, signal, hold): Promise<DriverInstance> {
      const parts = await prepared(spec.rootfs.readOnly)
      const disk = await templateDisk(host.imagesDir, spec.rootfs.skeleton, spec.limits.diskMb)
      const { skeleton } = spec.rootfs
      const shown = await imageId(parts.shown)
      const hasNetwork = spec.network !== undefined
      const origin = { templateFormat, machine, size: machineSize(spec.limits), hasNetwork, parts, shown, skeleton }
      const template = await templates.get(origin, (take) => makeTemplate(spec, dir, { ...parts, disk }, take, signal))
      try {
        const from = { parts: { ...parts, disk: template.disk }, saved: template }
        const instance = await start(spec, dir, from, signal, { hold })
        return await renewed(instance, { spec, dir, remaining: [] }, beginning(spec), signal)
      } catch (error) {
        if (!signal.aborted) await templates.forget(template)
        throw error
      }
    },

    async restore(spec, dir, source, signal): Promise<DriverInstance> {
      const parts = await prepared(spec.rootfs.readOnly)
      const remaining = source.kept ?? [snapshotParts.disk]
      const disk = `${source.path}/${snapshotParts.disk}`
      if (source.token === undefined) {
        await checkDisk(`${dir.path}/${snapshotParts.disk}`)
        const instance = await start(spec, dir, { parts: { ...parts, disk } }, signal, { remaining })
        return renewed(instance, { spec, dir, remaining }, beginning(spec), signal)
      }
      const { statePath, memoryPath, shown } = await filesOf(source, parts.shown)
      return memories.use(memoryPath, async (heldMemory) => {
        const from = { parts: { ...parts, shown, disk }, saved: { statePath, heldMemory } }
        const instance = await start(spec, dir, from, signal, { remaining })
        return renewed(instance, { spec, dir, remaining }, {}, signal)
      })
    },

    sweep: (spec, dir, remaining) => sweepKept({ ...known(spec, dir), remaining }),

    async recover(spec, dir, remaining): Promise<DriverInstance | undefined> {
      const instance = await recoverKept({ ...known(spec, dir), remaining })
      if (!instance) return undefined
      try {
        await askMachine(dir, 'vmResume', AbortSignal.timeout(bootMs.kvm))
      } catch {
        // A monitor that does not answer is as good as dead.
        await instance.destroy(remaining)
        return undefined
      }
      return asMachine(instance, spec, dir)
    },
  }
}

/** Every copy will run programs: what that takes of the host's programs, its kernel has read then. */
async function warmUp({ agent }: DriverInstance, signal: AbortSignal): Promise<void> {
  const guest = new GuestClient(agent, { defaultUser, wasOutOfMemory: async () => false })
  const program = await guest.exec({ argv: ['/bin/sh', '-c', '/bin/true'] }, signal)
  for await (const _ of program.output());
}

type Settings = Parameters<GuestClient['configure']>[0]

/** What a machine that begins gets beside: a name and an id, and its limits, which its own kernel keeps. */
function beginning({ limits: { maxProcesses, memoryMb, maxOpenFiles } }: InstanceSpec): Settings {
  return { hostname: 'sandbox', machineId: randomBytes(16).toString('hex'), maxProcesses, memoryMb, maxOpenFiles }
}

/** Gives it what no copy must share with the others, and the time. On rejection nothing of it is left but what remains. */
async function renewed(
  instance: DriverInstance,
  { spec, dir, remaining }: { spec: InstanceSpec; dir: InstanceDir; remaining: readonly string[] },
  more: Settings,
  signal: AbortSignal,
): Promise<DriverInstance> {
  const guest = new GuestClient(instance.agent, { defaultUser, wasOutOfMemory: async () => false })
  try {
    await guest.configure({ seed: randomBytes(64), clockMs: Date.now(), ...more })
    signal.throwIfAborted()
    return asMachine(instance, spec, dir)
  } catch (error) {
    await instance.destroy(remaining)
    throw error
  }
}

/** A disk whose machine was ended while it was in use. */
async function checkDisk(path: string): Promise<void> {
  const checked = await runCommand(['e2fsck', '-f', '-p', path], { timeoutMs: 120_000 })
  const [sound, putRight] = [0, 1]
  if (checked.exitCode !== sound && checked.exitCode !== putRight)
    throw new WarrenError('unavailable', `the disk of the sandbox is damaged: e2fsck ${checked.failure}`)
}
