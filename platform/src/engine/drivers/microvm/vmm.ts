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
  /** Its program and version, or why there is none. */
  find(): Promise<{ program: string; version: string } | { missing: string }>
  /** Options of `warren-guest vm`, and after them the monitor's own command line. */
  command(program: string, plan: MachinePlan): string[]
}
