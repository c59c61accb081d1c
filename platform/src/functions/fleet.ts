import { inRoom } from '../lib/in-room.ts'
import { Pending } from '../lib/pending.ts'
import type { Hold } from '../quotas/held-instances.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Code, CodeStore } from './code/code-store.ts'
import type { FunctionRecord, FunctionVersion } from './function.ts'
import { Instances, type Member } from './instances.ts'
import type { ResolveSecrets } from './secrets.ts'
import type { LoadHead } from './worker/load-head.ts'
import type { Worker } from './worker/worker.ts'
import type { Tenant, WorkerPool } from './worker/worker-pool.ts'

interface FleetDeps {
  pool: WorkerPool
  code: CodeStore
  /** Takes what an instance has from the quota of its organisation. */
  hold: Hold
  resolveSecrets: ResolveSecrets | undefined
  /** Most instances of all functions together. */
  mostInstances: number
  /** How long an instance that nobody calls is kept, milliseconds. */
  idleMs: number
  /** Told what was measured of a function: how long a start took, and what an idle instance holds. */
  onMeasured: (functionId: string, what: { startMs?: number; memoryMb?: number }) => void
  logger: Logger
}

/** How many instances of a version are kept while nobody calls. */
export interface Kept {
  record: FunctionRecord
  version: FunctionVersion
  /** As its settings say. */
  least: number
  /** As it pays, by forecasts; undefined where they do not decide. */
  foreseen: number | undefined
}

/** What is idle for longer stands still, milliseconds. */
const freezeAfterMs = 200
/** Unless its code is still loading, for which it has so long, milliseconds. */
const mostLoadMs = 30_000
const lookMs = 100
/** Versions whose instances are made beforehand at the same time. */
const preparedAtOnce = 4

/** The instances of all functions, by version. */
export class Fleet {
  readonly #deps: FleetDeps
  readonly #groups = new Map<string, Instances>()
  readonly #accounts = new WeakMap<Instances, string>()
  /** Of functions that are gone, as long as something of them starts. */
  readonly #dropping = new Pending()
  #timer: NodeJS.Timeout | undefined
  /** Counts decisions on what to keep: the last one holds. */
  #round = 0

  constructor(deps: FleetDeps) {
    this.#deps = deps
  }

  /** Those of one version. */
  of(record: FunctionRecord, version: FunctionVersion): Instances {
    const key = keyOf(record, version)
    const known = this.#groups.get(key)
    if (known) return known
    const { logger } = this.#deps
    const group = new Instances(
      {
        start: (signal, isNeeded) => this.#start(record, version, { signal, isNeeded }),
        end: (worker) => void this.#deps.pool.end(worker),
        makeRoom: () => this.#makeRoom(),
        onStarted: (startMs) => this.#deps.onMeasured(record.id, { startMs }),
        logger,
      },
      version.settings,
    )
    this.#groups.set(key, group)
    this.#accounts.set(group, record.accountId)
    this.#timer ??= setInterval(() => this.#look(), lookMs).unref()
    return group
  }

  /** Ends an instance of an organisation that nobody needs, the one idle for longest of some function. False where there is none. */
  async giveWay(accountId: string): Promise<boolean> {
    for (const group of this.#groups.values()) {
      const member = this.#accounts.get(group) === accountId ? group.dropIdle() : undefined
      if (!member) continue
      await this.#deps.pool.end(member.worker)
      return true
    }
    return false
  }

  async #start(
    record: FunctionRecord,
    version: FunctionVersion,
    { signal, isNeeded }: { signal: AbortSignal; isNeeded: boolean },
  ): Promise<{ worker: Worker; ready: boolean }> {
    const code = await this.#deps.code.read(version.code)
    const started = await inRoom(
      () => this.startWith(record, version, code, { signal, wantsCache: false }),
      async () => isNeeded && (await this.giveWay(record.accountId)),
    )
    // What V8 has made of it says so where it was made by another one.
    if (code.head.cacheBytes > 0)
      started.worker.loaded.then(
        (cache) => this.#renew(version, cache),
        () => {},
      )
    return started
  }

  async #renew({ code }: FunctionVersion, cache: Buffer): Promise<void> {
    if (cache.length === 0) return
    try {
      await this.#deps.code.renewCache(code, cache)
    } catch (error) {
      this.#deps.logger.warn({ err: error }, 'what V8 has made of code of a function could not be kept anew')
    }
  }

  /** A worker with this code on the way to it. Throws `limit_exceeded` where its organisation may not have so much more. */
  async startWith(
    tenant: Tenant,
    { runtime, version, settings }: Pick<FunctionVersion, 'runtime' | 'version' | 'settings'>,
    code: Code,
    { signal, wantsCache }: { signal: AbortSignal; wantsCache: boolean },
  ): Promise<{ worker: Worker; ready: boolean }> {
    const { pool, hold, resolveSecrets } = this.#deps
    const { accountId, name } = tenant
    const { secrets: names, cpuCores, memoryMb } = settings
    const letGo = await hold({ accountId, kind: 'function', cpuCores, memoryMb })
    let claimed: { worker: Worker; ready: boolean } | undefined
    try {
      const secrets = names.length > 0 && resolveSecrets ? await resolveSecrets(accountId, names) : {}
      claimed = await pool.claim(tenant, { runtime, settings }, signal)
      pool.afterEnd(claimed.worker, letGo)
      const head: LoadHead = {
        ...code.head,
        handler: settings.handler,
        env: { ...settings.env, ...secrets },
        concurrency: settings.concurrency,
        name,
        account: accountId,
        version,
        memoryMb,
        wantsCache,
      }
      claimed.worker.load(head, code.bytes)
      return claimed
    } catch (error) {
      // Not before the sandbox is gone, if there is one.
      await (claimed ? pool.end(claimed.worker) : letGo())
      throw error
    }
  }

  /** Keeps so many of these versions, and of no others. Half of all there may be are left to whoever calls. */
  keep(kept: readonly Kept[]): void {
    let room = Math.floor(this.#deps.mostInstances / 2)
    const wanted = new Map<Instances, { least: number; foreseen: number | undefined }>()
    for (const { record, version, least, foreseen } of kept) {
      const [promised, expected] = [Math.min(least, room), Math.min(foreseen ?? 0, room)]
      room -= Math.max(promised, expected)
      // None is made to have nothing.
      const known = this.#groups.get(keyOf(record, version))
      const group = promised + expected > 0 ? this.of(record, version) : known
      if (group) wanted.set(group, { least: promised, foreseen: foreseen === undefined ? undefined : expected })
    }
    for (const group of this.#groups.values()) {
      if (wanted.has(group)) continue
      if (group.least > 0) group.retire()
      else void group.keep({ least: 0, foreseen: undefined })
    }
    void this.#prepare([...wanted])
  }

  /** A few at a time, the first ones first: calls that wait for an instance are not to wait for all of these. */
  async #prepare(wanted: [Instances, Parameters<Instances['keep']>[0]][]): Promise<void> {
    const round = ++this.#round
    const lane = async () => {
      for (let next = wanted.shift(); next && round === this.#round; next = wanted.shift()) await next[0].keep(next[1])
    }
    await Promise.all(Array.from({ length: preparedAtOnce }, lane))
  }

  /** Removes the idle instances that forecasts do not pay for. */
  trim(): void {
    for (const group of this.#groups.values()) group.trim()
  }

  /** Ends those of a function. */
  drop(functionId: string): void {
    for (const [key, group] of this.#groups) {
      if (!key.startsWith(`${functionId}/`)) continue
      this.#groups.delete(key)
      void this.#dropping.add(group.close())
    }
  }

  /** Ends those of other versions of a function, once they have no call. */
  retire(functionId: string, kept: ReadonlySet<number>): void {
    for (const [key, group] of this.#groups) {
      const [id, version] = key.split('/')
      if (id !== functionId || kept.has(Number(version))) continue
      group.retire()
    }
  }

  /** Of all its versions, or of this one. */
  sizeOf(functionId: string, version?: number): number {
    if (version !== undefined) return this.#groups.get(keyOf({ id: functionId }, { version }))?.size ?? 0
    let size = 0
    for (const [key, group] of this.#groups) if (key.startsWith(`${functionId}/`)) size += group.size
    return size
  }

  /** What the calls of a function that run have written so far. */
  logsOf(functionId: string): { id: string; version: number; log: string }[] {
    return [...this.#groups].flatMap(([key, { members }]) => {
      const [id, version] = key.split('/')
      if (id !== functionId) return []
      return members.flatMap(({ worker }) => worker.logs.map((one) => ({ ...one, version: Number(version) })))
    })
  }

  /** By function, of all versions. */
  sizes(): Map<string, number> {
    const sizes = new Map<string, number>()
    for (const [key, { size }] of this.#groups) {
      const id = key.slice(0, key.indexOf('/'))
      sizes.set(id, (sizes.get(id) ?? 0) + size)
    }
    return sizes
  }

  /** Instances of a function that have started, of all its versions. */
  startedOf(functionId: string): number {
    let count = 0
    for (const [key, { members }] of this.#groups) if (key.startsWith(`${functionId}/`)) count += members.length
    return count
  }

  /** Functions that have no instance, and were refused one because their organisation may not have more. */
  get withoutRoom(): string[] {
    return [...this.#groups].filter(([, group]) => group.isWithoutRoom).map(([key]) => key.split('/')[0]!)
  }

  /** Functions for whose instances so many calls wait. */
  waitedFor(atLeast: number): string[] {
    return [...this.#groups].filter(([, { waiting }]) => waiting >= atLeast).map(([key]) => key.split('/')[0]!)
  }

  /** How many there are, and of how many functions and calls. */
  get counts(): { instances: number; frozen: number; calls: number; waiting: number } {
    const groups = [...this.#groups.values()]
    const members = groups.flatMap((group) => group.members)
    return {
      instances: groups.reduce((sum, { size }) => sum + size, 0),
      frozen: members.filter(({ thermostat }) => thermostat.isCold).length,
      calls: members.reduce((sum, { calls }) => sum + calls, 0),
      waiting: groups.reduce((sum, { waiting }) => sum + waiting, 0),
    }
  }

  /** Resolves when nothing starts any more. */
  async close(): Promise<void> {
    this.#round++
    clearInterval(this.#timer)
    const groups = [...this.#groups.values()]
    this.#groups.clear()
    await Promise.all([this.#dropping.over(), ...groups.map((group) => group.close())])
  }

  #makeRoom(): boolean {
    const size = () => [...this.#groups.values()].reduce((sum, group) => sum + group.size, 0)
    if (size() < this.#deps.mostInstances) return true
    for (const group of this.#groups.values()) if (group.dropIdle()) return true
    return false
  }

  #look(): void {
    const now = performance.now()
    for (const [key, group] of this.#groups) {
      group.look()
      for (const member of group.members) this.#freeze(key, member, now)
      while (!group.isForeseen && group.dropIdle(this.#deps.idleMs));
      if (group.size === 0 && group.waiting === 0 && !group.isWithoutRoom) this.#groups.delete(key)
    }
    if (this.#groups.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** What stands still long enough is frozen, and measured the first time. */
  #freeze(key: string, { calls, idleSince, isLoaded, thermostat, worker, taken }: Member, now: number): void {
    if (calls > 0 || thermostat.isCold || now - idleSince < (isLoaded ? freezeAfterMs : mostLoadMs)) return
    const { logger, onMeasured } = this.#deps
    thermostat.freeze().catch((error) => logger.warn({ err: error }, 'an instance could not be frozen'))
    if (taken > 1) return
    void worker.instance.usage().then(
      (usage) => usage && onMeasured(key.split('/')[0]!, { memoryMb: usage.memoryBytes / 2 ** 20 }),
      () => {},
    )
  }
}

function keyOf({ id }: Pick<FunctionRecord, 'id'>, { version }: Pick<FunctionVersion, 'version'>): string {
  return `${id}/${version}`
}
