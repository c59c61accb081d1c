import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../errors.ts'
import type {
  Capabilities,
  DiskLimit,
  Driver,
  DriverInstance,
  InitExit,
  InstanceSpec,
  Limits,
  SavedParts,
  SnapshotOptions,
  SoftLimit,
  Usage,
} from './driver.ts'
import { GuestClient } from './guest/client.ts'

/** The end of a sandbox is told at most so much later than its connections break, milliseconds. */
const endTellsMs = 1000

export type ExitReason = 'stopped' | 'paused' | 'out_of_memory' | 'agent_died'

export interface InstanceExit extends InitExit {
  /** `stopped` when we ended it, `paused` when all of it was saved before; `agent_died` when its first process ended by itself or was killed from inside. */
  reason: ExitReason
}

/** A live sandbox, whatever driver runs it. */
export class Instance {
  readonly spec: InstanceSpec
  readonly driver: Driver
  readonly guest: GuestClient
  readonly exited: Promise<InstanceExit>
  readonly #inner: DriverInstance
  #limits: Limits
  #oomKills = 0
  #stopping: 'stopped' | 'paused' | undefined
  #alive = true

  constructor(spec: InstanceSpec, driver: Driver, inner: DriverInstance) {
    this.spec = spec
    this.driver = driver
    this.#inner = inner
    this.#limits = spec.limits
    this.guest = new GuestClient(inner.agent, {
      defaultUser: spec.rootfs.user ?? inner.defaultUser,
      ...(spec.rootfs.workdir === undefined ? {} : { defaultCwd: spec.rootfs.workdir }),
      wasOutOfMemory: (what) => (what ? this.#endedOutOfMemory() : this.#wasOutOfMemory()),
    })
    this.exited = inner.exited.then(async (exit) => {
      this.#alive = false
      const outOfMemory = !this.#stopping && (await this.#wasOutOfMemory())
      return { ...exit, reason: this.#stopping ?? (outOfMemory ? 'out_of_memory' : 'agent_died') }
    })
  }

  get id(): string {
    return this.spec.id
  }

  get disk(): DiskLimit {
    return this.#inner.disk
  }

  get unenforced(): SoftLimit[] {
    return this.#inner.unenforced
  }

  get limits(): Limits {
    return this.#limits
  }

  get alive(): boolean {
    return this.#alive
  }

  onExit(listener: (exit: InstanceExit) => void): void {
    void this.exited.then(listener)
  }

  /** Whether the agent gives a sign of life in time. */
  answers(withinMs: number): Promise<boolean> {
    return this.guest.ping(AbortSignal.timeout(withinMs)).then(
      () => true,
      () => false,
    )
  }

  /** Undefined where the host gives no way to measure. */
  usage(): Promise<Usage | undefined> {
    return this.#inner.usage()
  }

  /** The host's numbers of its processes; undefined where the driver has none to name. */
  async hostProcesses(): Promise<number[] | undefined> {
    return this.#inner.hostProcesses?.()
  }

  /** Applies processor, memory and process limits. The disk's size is fixed from the start. */
  async setLimits(limits: Limits): Promise<void> {
    await this.#inner.setLimits(limits)
    this.#limits = { ...limits, diskMb: this.#limits.diskMb, maxOpenFiles: this.#limits.maxOpenFiles }
  }

  /** The serial console of its machine. Throws `invalid_request` where it is no machine. */
  console(): Promise<Duplex> {
    if (this.#inner.console) return this.#inner.console()
    throw new WarrenError('invalid_request', `a sandbox of ${this.driver.name} has no serial console`, {
      hint: 'Only microVMs have one. Ask for isolation "microvm", or look at the logs.',
    })
  }

  /** Ends it; resolves when nothing of it is left on the host but its record. */
  async destroy(): Promise<void> {
    this.#stopping = 'stopped'
    await this.#inner.destroy()
  }

  /** Whether it has ended, or is about to, for want of memory. */
  #endedOutOfMemory(): Promise<boolean> {
    const ended = this.exited.then(({ reason }) => reason === 'out_of_memory')
    return Promise.race([ended, sleep(endTellsMs, false, { ref: false })])
  }

  /** Everything inside stands still until `resume`. Throws `invalid_request` where the driver has no way. */
  async pause(): Promise<void> {
    if (!this.#inner.pause) throw cannot(this.driver, 'pause')
    await this.#inner.pause()
  }

  async resume(): Promise<void> {
    await this.#inner.resume?.()
  }

  /** As the driver's: writes the parts of a snapshot into `into`. Throws `invalid_request` where it has no way. */
  async snapshot(into: string, options: SnapshotOptions, signal: AbortSignal): Promise<SavedParts> {
    if (!this.#inner.snapshot) throw cannot(this.driver, 'snapshot')
    return this.#inner.snapshot(into, options, signal)
  }

  /** Ends it after a snapshot that was held; of its files `kept` stay. */
  async putAway(kept: readonly string[]): Promise<void> {
    this.#stopping = 'paused'
    await this.#inner.destroy(kept)
  }

  /** Whether the kernel killed something here for want of memory since the last time this was asked. */
  async #wasOutOfMemory(): Promise<boolean> {
    const oomKills = (await this.#inner.usage().catch(() => undefined))?.oomKills ?? 0
    const more = oomKills > this.#oomKills
    this.#oomKills = oomKills
    return more
  }
}

/** The refusal of what a driver does not promise, with the driver's own reason. */
export function cannot(driver: Driver, ability: keyof Capabilities): WarrenError {
  const promise = driver.capabilities()[ability]
  const filesAlone = 'its snapshots hold the files alone, and what runs is not saved'
  const why = 'withoutMemory' in promise ? `: ${promise.withoutMemory}` : ''
  const reason = 'absent' in promise ? promise.absent : `${filesAlone}${why}`
  const what = { pause: 'be paused', snapshot: 'be saved' }[ability]
  return new WarrenError('invalid_request', `a sandbox of ${driver.name} cannot ${what} here: ${reason}`, {
    details: { driver: driver.name },
  })
}
