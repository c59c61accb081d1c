import type { Limits } from '../../driver.ts'

/** What the guest's kernel takes of a machine's memory, MiB: its programs get what was promised. */
const guestKernelMb = 64

/** How a virtual machine runs its guest: on the processor, or by emulating one. */
export type Acceleration = 'kvm' | 'tcg'

/** The size of a virtual machine. */
export interface MachineSize {
  memoryMb: number
  processors: number
  diskMb: number
}

export function machineSize(limits: Limits): MachineSize {
  return {
    memoryMb: limits.memoryMb + guestKernelMb,
    processors: Math.max(1, Math.ceil(limits.cpuCores)),
    diskMb: limits.diskMb,
  }
}

/** What the host allows a machine: its memory, and what the monitor takes beside it. */
export function hostLimits(limits: Limits, monitorMb: number): Limits {
  return { ...limits, memoryMb: machineSize(limits).memoryMb + monitorMb, maxProcesses: 256 }
}

/** Everything a machine starts from. */
export interface MachineParts {
  kernel: string
  initialFiles: string
  /** Read-only disk with the host's programs. */
  shown: string
  /** Disk that the sandbox's own is copied from. */
  disk: string
}
