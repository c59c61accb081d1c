import type { CommandResult } from '../../../lib/run-command.ts'
import type { InstanceDir, InstanceSpec, Isolation, Limits } from '../../driver.ts'
import type { Host } from '../../host/host.ts'
import type { Attach, Checkpoint } from '../../host/keeper-instance.ts'

/** How one OCI runtime is told to run the bundle, and how its sandboxes are reached. */
export interface OciRuntime {
  /** `oci/…` of the driver. */
  name: string
  isolation: Isolation
  /** What an idle instance takes of the host's memory, MiB, rounded up. */
  idleMemoryMb: number
  /** How to get it, for those who have not. */
  hint: string
  /** Finds the program and asks it for its version. */
  examine(run: (argv: [string, ...string[]]) => Promise<CommandResult>, host: Host): Promise<CommandResult>
  /** Whether the host's devices can be shown in its sandboxes. */
  takesDevices?: true
  /** After its parts are there: settles how it runs on this host. What is answered is told with its version. */
  settle?(host: Host): Promise<string>
  /** A sandbox did not start. */
  failed?(host: Host): Promise<void>
  /** Arguments of the guest agent, the first process. */
  agent(spec: InstanceSpec): string[]
  /** Folders of the root that the runtime would otherwise cover with memory. */
  ownFolders: string[]
  /** Its programs see a /sys that it makes itself. */
  ownSysfs?: boolean
  /** Folders of the root that the host writes and the sandbox reads. */
  shownFolders: string[]
  /** Its own kernel makes a boot id, which copies of it would share: one below the first of these folders hides it. */
  hidesBootId?: true
  /** Where the runtime is put into a control group of ours instead of making one: what the host must allow it. */
  groupLimits?: (limits: Limits) => Limits
  /**
   * Options of the keeper beside those of the root, and the command line that runs the bundle in `dir`, or brings back
   * what was saved in the folder `memory`; `inTwo` steps if that is still to be written.
   */
  plan(
    spec: InstanceSpec,
    dir: InstanceDir,
    host: Host,
    saved?: { memory: string; inTwo: boolean },
  ): { options: string[]; argv: string[] }
  /** Why what runs is not saved, where the runtime cannot. */
  whyNoMemory?(host: Host): Promise<string>
  /** How what runs is saved, where the runtime can. */
  checkpoint?: (spec: InstanceSpec, dir: InstanceDir, host: Host) => Checkpoint
  /** How the agent is reached where it does not inherit the keeper's socket. */
  attach?: (host: Host) => Attach
}
