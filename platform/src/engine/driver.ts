import type { Duplex } from 'node:stream'

/** How strongly a sandbox is kept from its host, weakest first. One spelling in the API, the configuration and here. */
export const isolations = ['none', 'namespaces', 'container', 'userspace-kernel', 'microvm'] as const
export type Isolation = (typeof isolations)[number]

export function isAtLeast(isolation: Isolation, min: Isolation): boolean {
  return isolations.indexOf(isolation) >= isolations.indexOf(min)
}

export interface Limits {
  /** Cores of processor time; fractions allowed. */
  cpuCores: number
  /** MiB. */
  memoryMb: number
  /** MiB of the writable layer. */
  diskMb: number
  /** Processes and threads together. */
  maxProcesses: number
  /** Per process. */
  maxOpenFiles: number
}

/** How the writable layer is kept to `diskMb`. `loop` and `tmpfs` are hard limits; `none` means there is none. */
export type DiskLimit = 'loop' | 'tmpfs' | 'none'

/** A limit that a host may give a driver no way to keep. */
export const softLimits = ['cpuCores', 'memoryMb', 'maxProcesses'] as const
export type SoftLimit = (typeof softLimits)[number]

/** What a sandbox's root is made of. */
export interface Rootfs {
  /** Directory whose small tree (etc, home, tmp, var …) is copied into the writable layer. */
  skeleton: string
  /** Host directories shown read-only at the same path inside. */
  readOnly: string[]
  /** Folders that the disk is laid over, the topmost first, their files owned as inside. */
  layers?: string[]
  /** Who runs commands where the caller names nobody, instead of the driver's own. */
  user?: string
  /** Where commands run when the caller names no folder, instead of the user's home. */
  workdir?: string
  /** What every process starts with, before what the request says. */
  env?: Record<string, string>
  /** The guest agent's binary, one that lasts as long as what was made with it; by default the platform's own. */
  agent?: string
}

/** Everything a driver needs to start one instance. It is on disk, as the engine's record, before the driver is called. */
export interface InstanceSpec {
  id: string
  template: string
  rootfs: Rootfs
  limits: Limits
  /** Number of the host uid range given to this instance; no other live one has it. */
  slot: number
  /** It gets the host's GPUs. */
  gpu?: true
  /** Mounted for reading and writing. */
  volumes?: VolumePlace[]
  /** The prepared network it is started in. Without one it has nothing but a loopback of its own. */
  network?: NetworkPlace
}

/** What outlives instances, and several may have at once. */
export interface VolumePlace {
  id: string
  /** A disk image; the folder itself where this process is not root. */
  source: string
  /** Where it is inside; absolute. */
  path: string
  /** Nobody inside can write there, root included. */
  readOnly?: boolean
}

/** A network namespace with an interface, and its number. */
export interface NetworkPlace {
  slot: number
  netns: string
}

/** The engine's record of an instance, in the instance's folder: written first, removed last. */
export const recordName = 'spec.json'

/** Where an instance keeps its files. `socketDir` names the same folder by a path short enough for unix sockets. */
export interface InstanceDir {
  path: string
  socketDir: string
}

/** A start that waits before its last step, when all is made that takes time and nothing runs in it yet. */
export interface Hold {
  /** Called when everything is made. */
  prepared: () => void
  /** Resolves when the start is to go on, and rejects when it is given up. */
  released: Promise<void>
}

export interface Usage {
  /** Processor time since the start, microseconds. */
  cpuUsec: number
  /** Names the counter that `cpuUsec` is read from: another one begins at 0. */
  cpuCounter: string
  memoryBytes: number
  memoryPeakBytes: number
  processes: number
  /** Times the kernel killed a process here for want of memory. */
  oomKills: number
}

/** How the first process of an instance ended. */
export interface InitExit {
  exitCode: number | null
  signal: number | null
  /** Unix milliseconds. */
  at: number
}

/** What a driver can promise on this host beyond running: each absence with its reason, a sentence. */
export interface Capabilities {
  /** Whether a paused instance gives its memory back to the host, saved on disk. */
  pause: { memory: 'saved' | 'resident' } | { absent: string }
  /** Whether a snapshot holds what runs, or the files alone, and why no more. A fork needs `memory`. */
  snapshot: { keeps: 'memory' } | { keeps: 'files'; withoutMemory?: string } | { absent: string }
}

/** Names of what a snapshot is made of, in its folder. */
export const snapshotParts = { disk: 'disk.img', memory: 'memory' } as const

/** A word that only one checkpoint has: by it the agents of all that are made from it know that they may listen again. */
export type CheckpointToken = string

/** Where a restored instance comes from. */
export interface SnapshotSource {
  /** Folder with the parts. */
  path: string
  /** Absent where only files were kept. */
  token?: CheckpointToken
  /** The uid range of the instance it was taken of. */
  slot: number
  /** Names in the instance's folder that stay when it cannot be brought back; without them its disk alone. */
  kept?: readonly string[]
}

export interface SnapshotOptions {
  hold: boolean
  /**
   * Called when the disk is copied, where its memory follows: from then on copies can be prepared, up to the moment in
   * which they begin. Only by drivers whose `restore` knows `hold`.
   */
  diskIsCopied?: ((token: CheckpointToken) => void) | undefined
}

/** What was written, whole. */
export interface SavedParts {
  token?: CheckpointToken
  /** Resolves when the instance moves again, which takes a moment that nobody needs to wait for who uses the parts. */
  goesOn: Promise<void>
}

/** A live instance in the hands of its driver. */
export interface DriverInstance {
  /** Unix socket on which the guest agent accepts connections, while it lives. */
  agent: {
    readonly socketPath: string
    /** Set while it stands still for a snapshot: resolves when it can be reached again, or is gone. */
    readonly standsStill?: Promise<void> | undefined
  }
  /** Who runs commands inside when the caller names nobody. */
  defaultUser: string
  disk: DiskLimit
  /** Limits that nothing keeps here. */
  unenforced: SoftLimit[]
  /** Settles once, when the instance has ended for whatever reason. Never rejects. */
  exited: Promise<InitExit>
  /** Undefined where the host gives this driver no way to measure. */
  usage(): Promise<Usage | undefined>
  /** Applies what can change while running: processor, memory, processes. */
  setLimits(limits: Limits): Promise<void>
  /** The host's numbers of the processes that run it, whoever only watches them left out. Absent where there are none. */
  hostProcesses?(): Promise<number[]>
  /** The serial console of its machine, where it is one. */
  console?(): Promise<Duplex>
  /** Everything inside stands still, in memory, until `resume`. */
  pause?(): Promise<void>
  /** Goes on after `pause` or a snapshot that was held. Idempotent. */
  resume?(): Promise<void>
  /**
   * Writes its parts into the empty folder `into`, all of the same moment, while everything inside stands still. With
   * `hold` it goes on standing still, and its disk is not copied: for an end that keeps disk and memory. On rejection it
   * runs as before.
   */
  snapshot?(into: string, options: SnapshotOptions, signal: AbortSignal): Promise<SavedParts>
  /**
   * Ends the instance; resolves when no process, mount, cgroup or namespace of it is left, and of its files only the
   * record and `kept`. Idempotent.
   */
  destroy(kept?: readonly string[]): Promise<void>
}

/** The verdict of booting a driver's backend. `reason` is a sentence an operator can act on. */
export type Fingerprint =
  | { healthy: true; reason: string; bootMs: number; disk: DiskLimit; emulated?: true }
  /** `untried`: it emulates, so it is booted when somebody asks for it. */
  | { healthy: false; reason: string; untried?: true }

export type Examined = { usable: true; description: string; emulated?: boolean } | { usable: false; reason: string }

/**
 * One way of running untrusted code on this host. Adding one: docs/add-a-driver.md.
 * A driver knows no users, no templates and no other driver.
 */
export interface Driver {
  name: string
  isolation: Isolation
  /** What an idle instance takes of the host's memory, MiB, rounded up. */
  idleMemoryMb: number
  /** Whether limits hold as they were at the start, so that no instance with others can be reused. */
  limitsAreFixed?: boolean
  /** Whether its instances run in the network of their specification. */
  joinsNetwork?: boolean
  /** Whether what programs write may lie in a kernel of the sandbox's own, and is lost when that is ended. */
  holdsWritesBack?: true
  /** Whether the kernel of the host never reads what is on a sandbox's disk. */
  disksStayInside?: boolean
  /** Whether its instances have the volumes of their specification. */
  mountsVolumes?: boolean
  /** Why a sandbox gets no GPU here; undefined where it gets one. A driver without this gives none. */
  refuseGpu?(): string | undefined
  /** Why it cannot start from layers; undefined where it can. A driver without this cannot. */
  refuseLayers?(): string | undefined
  capabilities(): Capabilities
  /** Names what can read the memory it saves; known once it has been examined. Where snapshots keep memory. */
  memoryFormat?(): string
  /** Chosen only when a request names it. */
  onlyByName?: boolean
  /** How long a first boot may take, milliseconds; without it the engine decides. */
  bootDeadlineMs?: number
  /**
   * Whether the backend's parts are there; cheap. The engine boots a real instance after it says yes. One that emulates a
   * processor is chosen only by requests that ask for its isolation or name it.
   */
  examine(): Promise<Examined>
  /** Makes what takes long and is needed once on this host. Before the first `create`, outside of its deadline. */
  prepare?(spec: InstanceSpec): Promise<void>
  /** Starts an instance, with a rest in between if `hold` is given. On rejection nothing of it is left but its record. */
  create(spec: InstanceSpec, dir: InstanceDir, signal: AbortSignal, hold?: Hold): Promise<DriverInstance>
  /**
   * Starts an instance as it was when the snapshot was taken. A disk that is in `dir` already is its own and is used as it
   * is; else the snapshot's is copied. On rejection nothing is left but the record and what `source` keeps. With `hold`, which
   * only those are given whose instances tell `diskIsCopied`, the memory need not be there before it is released.
   */
  restore?(
    spec: InstanceSpec,
    dir: InstanceDir,
    source: SnapshotSource,
    signal: AbortSignal,
    hold?: Hold,
  ): Promise<DriverInstance>
  /**
   * Takes up what an earlier process started. Undefined when it is gone; then nothing of it is left either but `kept`. One
   * that stood still goes on.
   */
  recover(spec: InstanceSpec, dir: InstanceDir, kept?: readonly string[]): Promise<DriverInstance | undefined>
  /**
   * Ends whatever an earlier process left of an instance, without letting it go on; of its files only the record and
   * `kept` stay. Where there is `restore`.
   */
  sweep?(spec: InstanceSpec, dir: InstanceDir, kept: readonly string[]): Promise<void>
}
