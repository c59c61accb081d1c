import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import { chooseDriver, type IsolationWanted } from './choose-driver.ts'
import { claimReady } from './claim-ready.ts'
import type {
  Capabilities,
  Driver,
  Fingerprint,
  Hold,
  InstanceSpec,
  Isolation,
  Limits,
  Rootfs,
  VolumePlace,
} from './driver.ts'
import type { EngineDeps } from './engine-deps.ts'
import type { EngineParts } from './engine-parts.ts'
import { environmentOf } from './environment-of.ts'
import { fingerprint } from './fingerprint.ts'
import { checkRoom } from './host/room.ts'
import type { Image, Images } from './images/images.ts'
import { Instance } from './instance.ts'
import { InstanceNetwork } from './instance-network.ts'
import type { InstanceRecord } from './instance-store.ts'
import { Ladder } from './ladder.ts'
import { measurePosture, type Posture } from './posture.ts'
import { PreparedStarts } from './prepared-starts.ts'
import { Remains, removeStrayGroups } from './remains.ts'
import { type Runtime, runtimeOf } from './runtime.ts'
import { SavedStates } from './saved-states.ts'
import { StartQueue } from './start-queue.ts'
import type { StartRequest } from './start-request.ts'
import { tryOut } from './try-out.ts'
import type { VolumeFiles } from './volume-files.ts'
import { type PoolKind, WarmPools } from './warm-pools.ts'

export type { InstanceExit } from './instance.ts'
export { Instance }

export interface DriverReport {
  driver: string
  isolation: Isolation
  fingerprint: Fingerprint
  capabilities: Capabilities
}

/** A boot may take this long before the runtime counts as broken, milliseconds. */
const bootDeadlineMs = 10_000

/** Runs sandboxes on this host: chooses, starts, reuses, takes up and removes. Knows no users, no money and no HTTP. */
export class Engine {
  readonly #deps: EngineDeps
  readonly #instances = new Map<string, Instance>()
  readonly #paused: EngineParts['paused'] = new Map()
  #reported: { of: readonly unknown[]; reports: readonly DriverReport[] } | undefined
  readonly #ladder: Ladder
  /** Ends what is booted to see whether it works. */
  readonly #closing = new AbortController()
  readonly #queue: StartQueue
  readonly #pools: WarmPools
  readonly #prepared: PreparedStarts
  /** What each instance may reach, and what it did. */
  readonly network: InstanceNetwork
  readonly #remains: Remains
  /** What an earlier process left and nobody has claimed yet. */
  readonly #recovered = new Map<string, { record: InstanceRecord; instance: Instance }>()
  /** Paused instances, snapshots and forks. */
  readonly saved: SavedStates

  private constructor(deps: EngineDeps) {
    this.#deps = deps
    this.#ladder = new Ladder(deps.drivers, (driver, asked) => this.#fingerprint(driver, asked))
    this.#queue = new StartQueue(deps.parallelStarts)
    this.#remains = new Remains(deps.log)
    this.#prepared = new PreparedStarts({
      onFailure: (error) => deps.log.warn({ error }, 'a start could not be prepared'),
    })
    this.network = new InstanceNetwork(deps.network)
    const { isolation: min } = deps
    this.#pools = new WarmPools({
      own: { ...deps.pool, driver: async () => chooseDriver(await this.#ladder.probed({ min }), { min }).driver },
      forecast: deps.forecast,
      mark: this.network.isThere ? ' network' : '',
      start: (kind, signal) => this.#startForPool(kind, signal),
      canAdapt: ({ limitsAreFixed }) => deps.cgroups !== undefined && !limitsAreFixed,
      discard: (instance) => this.#clear(instance),
      onFailure: (error) => deps.log.warn({ error }, 'a sandbox for the warm pool could not be started'),
    })
    this.saved = new SavedStates({
      ...deps,
      network: this.network,
      instances: this.#instances,
      paused: this.#paused,
      driver: (name) => this.#ladder.healthy(name),
      watch: (instance) => this.#watch(instance),
      discard: (instance) => this.#discard(instance),
      clear: (instance) => this.#clear(instance),
      clearRecorded: (record, driver) => this.#clearRecorded(record, driver),
      forget: (spec) => this.#forget(spec),
      inTurn: (signal, start) => this.#queue.run('urgent', signal, start),
    })
  }

  /** Takes up every instance that an earlier process left alive and removes the remains of those that died. */
  static async open(deps: EngineDeps): Promise<Engine> {
    const engine = new Engine(deps)
    await engine.#recover()
    return engine
  }

  /** Whether the host's kernel never reads what sandboxes of this driver have on their disks. */
  disksStayInside(driver: string): boolean {
    return this.#deps.drivers.some(({ name, disksStayInside }) => name === driver && disksStayInside)
  }

  /** Every driver's verdict, strongest first; the same list until one of them changes. */
  async drivers(): Promise<readonly DriverReport[]> {
    const probed = await this.#ladder.probed()
    if (this.#reported?.of !== probed) {
      const reports = probed.map(({ driver, fingerprint }) => ({
        driver: driver.name,
        isolation: driver.isolation,
        fingerprint,
        capabilities: driver.capabilities(),
      }))
      this.#reported = { of: probed, reports }
    }
    return this.#reported.reports
  }

  /** Starts a sandbox or takes a ready one; with `begun`, what its template starts runs in it. On rejection nothing is left. */
  async start(
    request: StartRequest,
    signal: AbortSignal,
  ): Promise<{ instance: Instance; runtime: Runtime; warm: boolean; begun?: true }> {
    // Who names a driver accepts what it offers.
    const min = request.isolation?.driver === undefined ? this.#deps.isolation : 'none'
    const volumes = (request.volumes ?? []).length > 0
    const wanted: IsolationWanted = { min, ...request.isolation, ...(volumes && { volumes }) }
    const rootfs = await this.#rootfs(request)
    const layers = rootfs.layers !== undefined
    const { driver, passedOver } = chooseDriver(await this.#ladder.probed(wanted), { ...wanted, layers })
    if (request.network) this.network.check(driver, request.network)
    if (request.begun) await request.permitted
    const begun = await this.saved.begin(request, driver, signal)
    if (begun) return { instance: begun, runtime: runtimeOf(begun, passedOver), warm: false, begun: true }
    const warm = await this.#claim(request, driver)
    const instance = warm ?? (await this.#startCold(request, driver, signal))
    try {
      await Promise.all([
        this.#prepareGuest(instance, request, { isNew: !warm, signal }),
        this.network.set(instance, request.network),
      ])
      await this.network.trust(instance, request.network)
      signal.throwIfAborted()
    } catch (error) {
      await this.#clear(instance)
      throw error
    }
    return { instance, runtime: runtimeOf(instance, passedOver), warm: warm !== undefined }
  }

  get(id: string): Instance | undefined {
    return this.#instances.get(id)
  }

  /** What volumes are made of. */
  get volumes(): VolumeFiles {
    return this.#deps.volumes
  }

  /** How an instance is kept from this host. */
  posture(instance: Instance, signal: AbortSignal): Promise<Posture> {
    return measurePosture(instance, { controlGroups: this.#deps.cgroups !== undefined }, signal)
  }

  /** Ends an instance; resolves when nothing of it is left. One that is not there is already what was wanted. */
  async stop(id: string): Promise<void> {
    try {
      await this.saved.stop(id)
    } catch (error) {
      const instance = this.#instances.get(id)
      if (instance) void this.#clear(instance)
      throw error
    }
  }

  /**
   * After a restart: `owned` instances go on, ready ones go back to the pool, everything else is removed.
   * Until this is called nothing that was recovered is touched.
   */
  async adopt(owned: ReadonlyMap<string, string>): Promise<void> {
    await Promise.all(
      [...this.#recovered.values()].map(async ({ record, instance }) => {
        const { id } = instance
        if (owned.has(id)) return this.#watch(instance)
        this.#paused.delete(id)
        const isFree = !this.network.isLost(record.spec) && !(await this.#deps.store.isClaimed(id))
        if (isFree && this.#pools.add(instance, record.poolKey)) this.#instances.set(id, instance)
        else await this.#discard(instance)
      }),
    )
    this.#recovered.clear()
    await this.saved.keepOnly(owned)
    await removeStrayGroups(this.#deps)
    this.#pools.fill()
  }

  /** Ready sandboxes of the warm pools. */
  get poolReady(): number {
    return this.#pools.ready
  }

  /** Starts that wait for a place. */
  get startsWaiting(): { urgent: number; background: number } {
    return this.#queue.waiting
  }

  /** Stops working. Sandboxes that belong to somebody live on, and the next process takes them up. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the platform is stopping'))
    await Promise.all([this.#pools.close(), this.#prepared.close(), this.#ladder.close()])
    await this.#remains.close()
    await this.network.close()
    if (this.#instances.size === 0) await this.#deps.cgroups?.close()
  }

  async #fingerprint(driver: Driver, asked: boolean): Promise<Fingerprint> {
    const record = await this.#newRecord(driver, this.#deps.pool)
    let verdict: Fingerprint | undefined
    try {
      const dir = await this.#deps.store.write(record)
      const deadlineMs = driver.bootDeadlineMs ?? bootDeadlineMs
      const { signal: closing } = this.#closing
      verdict = await fingerprint(driver, { spec: record.spec, dir }, { deadlineMs, asked, closing })
      return verdict
    } finally {
      if (verdict?.healthy) await this.#forget(record.spec)
      else await this.#clearRecorded(record, driver)
    }
  }

  /** Templates that something starts from, lives on, stands still on or was saved of. */
  async templatesInUse(): Promise<Set<string>> {
    const live = [...this.#instances.values()].map(({ spec }) => spec.template)
    const paused = [...this.#paused.values()].map(({ record }) => record.spec.template)
    return new Set([...live, ...paused, ...(await this.#deps.snapshots.templates())])
  }

  get images(): Images {
    return this.#deps.images
  }

  #rootfs({ template, image }: Pick<StartRequest, 'template' | 'image'>): Promise<Rootfs> {
    return image ? this.#deps.images.rootfsOf(image) : this.#deps.images.rootfs(template)
  }

  async #prepareGuest(
    { id, guest, spec }: Instance,
    request: StartRequest,
    { isNew, signal }: { isNew: boolean; signal: AbortSignal },
  ): Promise<void> {
    const env = environmentOf(request, spec.rootfs)
    if (Object.keys(env).length > 0) await step('agent.configure', id, () => guest.configure({ env }))
    else if (isNew) await guest.ping(AbortSignal.any([signal, AbortSignal.timeout(bootDeadlineMs)]))
  }

  async #claim(request: StartRequest, driver: Driver): Promise<Instance | undefined> {
    const clear = (instance: Instance) => this.#clear(instance)
    const instance = await claimReady({ ...this.#deps, pools: this.#pools, clear }, request, driver)
    if (instance) this.#watch(instance)
    return instance
  }

  async #startCold(request: StartRequest, driver: Driver, signal: AbortSignal): Promise<Instance> {
    const { template, image, limits } = request
    const gpu = request.isolation?.gpu
    const volumes = (request.volumes ?? []).map((volume) => this.#deps.volumes.place(volume))
    // What is prepared for nobody has no volumes.
    const alone = request.cold || volumes.length > 0
    await checkRoom(this.#deps.home, limits)
    const begin = async (signal: AbortSignal, hold?: Hold) =>
      this.#create(await this.#newRecord(driver, { template, image, limits, gpu, volumes }), driver, signal, hold)
    const kind = `${driver.name} ${template} ${JSON.stringify({ ...limits, gpu })}`
    const instance = await this.#queue.run('urgent', signal, async () => {
      const prepared = alone ? undefined : this.#prepared.take(kind, signal)
      return prepared ? await prepared : await begin(signal)
    })
    this.#watch(instance)
    if (!alone && !image && !this.#pools.keeps(request, driver)) {
      this.#prepared.prepare(kind, (hold, signal) => begin(signal, hold))
    }
    return instance
  }

  #startForPool({ key, driver, template, limits }: PoolKind, signal: AbortSignal): Promise<Instance> {
    return this.#queue.run('background', signal, async () => {
      const record = { ...(await this.#newRecord(driver, { template, limits })), poolKey: key }
      const instance = await this.#create(record, driver, signal)
      await tryOut(instance.guest, AbortSignal.timeout(bootDeadlineMs)).catch(async (error) => {
        await this.#clear(instance)
        throw error
      })
      return instance
    })
  }

  async #newRecord(
    driver: Driver,
    of: {
      template: string
      image?: Image | undefined
      limits: Limits
      gpu?: boolean | undefined
      volumes?: VolumePlace[]
    },
  ): Promise<InstanceRecord> {
    const { template, image, limits, gpu, volumes = [] } = of
    const rootfs = await this.#rootfs({ template, ...(image && { image }) })
    const network = await this.network.take(driver)
    const slot = this.#deps.store.takeSlot()
    const more = { ...network, ...(gpu && { gpu }), ...(volumes.length > 0 && { volumes }) }
    const spec: InstanceSpec = { id: newId('i'), template, rootfs, limits, slot, ...more }
    return { spec, driver: driver.name, createdAt: Date.now() }
  }

  /** The record is on disk before the driver makes anything. */
  async #create(record: InstanceRecord, driver: Driver, signal: AbortSignal, hold?: Hold): Promise<Instance> {
    try {
      const dir = await this.#deps.store.write(record)
      const instance = new Instance(record.spec, driver, await driver.create(record.spec, dir, signal, hold))
      this.#instances.set(instance.id, instance)
      return instance
    } catch (error) {
      await this.#clearRecorded(record, driver)
      throw error
    }
  }

  /** What a failed start left, should its driver have failed to remove it; the record goes last. */
  #clearRecorded({ spec }: InstanceRecord, driver: Driver): Promise<void> {
    return this.#remains.clear(spec.id, async () => {
      await (await driver.recover(spec, this.#deps.store.dir(spec.id)))?.destroy()
      await this.#forget(spec)
    })
  }

  /** Nothing of it is left by now. The record goes first: what it names must not be somebody else's while it is there. */
  async #forget(spec: InstanceSpec): Promise<void> {
    await this.#deps.store.remove(spec)
    await this.network.release(spec)
  }

  /** Once somebody owns it: when it ends, whatever it leaves on the host is removed. */
  #watch(instance: Instance): void {
    this.#instances.set(instance.id, instance)
    instance.onExit((exit) => {
      if (exit.reason !== 'stopped' && exit.reason !== 'paused') void this.#clear(instance)
    })
  }

  /** As `#discard`, but what fails is tried again in the background. */
  #clear(instance: Instance): Promise<void> {
    return this.#remains.clear(instance.id, () => this.#discard(instance))
  }

  async #discard(instance: Instance): Promise<void> {
    await instance.destroy()
    await this.#forget(instance.spec)
    this.#instances.delete(instance.id)
    this.#paused.delete(instance.id)
  }

  async #recover(): Promise<void> {
    const byName = new Map(this.#deps.drivers.map((driver) => [driver.name, driver]))
    for (const record of await this.#deps.store.readAll()) {
      const driver = byName.get(record.driver)
      if (!driver)
        throw new WarrenError(
          'internal',
          `record of sandbox ${record.spec.id} names the unknown driver "${record.driver}"`,
        )
      const limits = (await this.#deps.store.claimedLimits(record.spec.id)) ?? record.spec.limits
      const instance = await this.saved.recover({ ...record, spec: { ...record.spec, limits } }, driver)
      if (instance) this.#recovered.set(record.spec.id, { record, instance })
    }
  }
}
