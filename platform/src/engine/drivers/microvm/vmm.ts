import type { Host } from '../../host/host.ts'
import type { Acceleration, MachineParts, MachineSize } from './machine.ts'

/** A saved machine to start from instead of booting: its state, and the memory that a process of ours holds for all. */
export interface SavedMachine {
  statePath: string
  heldMemory: { pid: number; fd: number }
}

export interface MachinePlan {
  size: MachineSize
  parts: MachineParts
  acceleration: Acceleration
  /** Host user and group that the machine runs as. */
  uid: number
  /** It has the device of the network that its monitor is started in. */
  hasNetwork: boolean
  saved?: SavedMachine
}

/** A virtual machine monitor: how it is found, and how `warren-guest vm` is told to run one machine with it. */
export interface Vmm {
  /** `microvm/…` of the driver. */
  name: string
  /** What it takes of the host's memory beside the guest's, at most, MiB. */
  memoryMb: number
  /** Kernel modules that its guests need for its devices. */
  modules: readonly string[]
  /** It cannot emulate a processor. */
  needsKvm?: boolean
  /** It takes the kernel's image as it is before it is compressed. */
  plainKernel?: boolean
  /** Its program and version, or why there is none. */
  find(host: Host): Promise<{ program: string; version: string } | { missing: string }>
  /** Options of `warren-guest vm`, and after them the monitor's own command line. */
  command(program: string, plan: MachinePlan): string[]
}

/** Descriptors at which `warren-guest vm` puts what a machine is made of (guest/src/vm/options.rs). */
export const fd = {
  link: 10,
  control: 11,
  console: 12,
  memory: 13,
  disk: 14,
  tap: 15,
  saved: 16,
  kernel: 20,
  initialFiles: 21,
  shown: 22,
  state: 23,
  program: 24,
}

/** An open file by a name that the monitor may open again, which its own rights decide. */
export function path(number: number): string {
  return `/proc/self/fd/${number}`
}

/** What `warren-guest vm` must know of every machine: whose it is, how large, and which files belong to it. */
export function machineOptions({ size, parts, acceleration, uid, hasNetwork, saved }: MachinePlan, device: string) {
  const options = ['--setid', `${uid}:${uid}`, '--memory-mb', String(size.memoryMb), '--disk-from', parts.disk]
  const files = { [fd.kernel]: parts.kernel, [fd.initialFiles]: parts.initialFiles, [fd.shown]: parts.shown }
  for (const [number, path] of Object.entries(files)) options.push('--file', `${number}:${path}`)
  if (hasNetwork) options.push('--network', device)
  if (acceleration === 'kvm') options.push('--device', 'kvm')
  if (saved) {
    options.push('--file', `${fd.state}:${saved.statePath}`)
    options.push('--memory-of', `${saved.heldMemory.pid}:${saved.heldMemory.fd}`)
  }
  return options
}
