import { createHash } from 'node:crypto'
import type { Account } from '../accounts/account.ts'
import type { Isolation } from '../engine/driver.ts'
import type { Engine } from '../engine/engine.ts'
import type { EventBus } from '../events/bus.ts'
import type { GoneSignal } from '../lib/gone-signal.ts'
import type { RecordUsage } from '../metering/usage-fact.ts'
import type { CallsAtOnce } from '../quotas/calls-at-once.ts'
import type { Hold } from '../quotas/held-instances.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { checkTargets } from './choose-version.ts'
import { CodeStore } from './code/code-store.ts'
import { Counters, durationsMs } from './counters.ts'
import { Demand } from './demand/demand.ts'
import { deployFunction } from './deploy.ts'
import { Fleet } from './fleet.ts'
import { checkName, type DeployFunction, type FunctionVersion, type Target } from './function.ts'
import { FunctionSeries } from './function-series.ts'
import { Dispatcher } from './invocations/dispatcher.ts'
import { type Enqueue, enqueue } from './invocations/enqueue.ts'
import { EnqueueBatch } from './invocations/enqueue-batch.ts'
import {
  findInvocation,
  forgetInvocations,
  type Invocation,
  type ListInvocations,
  listInvocations,
} from './invocations/invocations.ts'
import { type Invoke, type Invoked, invoke } from './invocations/invoke.ts'
import { Recorder } from './invocations/recorder.ts'
import type { SubCalls } from './invocations/sub-calls.ts'
import { type FollowLogs, followLogs, readPlace, type Told } from './logs/follow-logs.ts'
import { LogTails } from './logs/log-tail.ts'
import { Provisions } from './provisions.ts'
import { removeFunction } from './remove.ts'
import { rollback } from './rollback.ts'
import type { ResolveSecrets } from './secrets.ts'
import { AutoMemory } from './sizing/auto-memory.ts'
import { type Measured, Sizing } from './sizing/sizing.ts'
import { FunctionStore, type KnownFunction } from './store.ts'
import { EventTriggers } from './triggers/event-triggers.ts'
import { Hooks } from './triggers/hooks.ts'
import { QueueConsumer } from './triggers/queue-consumer.ts'
import { Queues } from './triggers/queues.ts'
import { Routes } from './triggers/routes.ts'
import { Schedules } from './triggers/schedules.ts'
import { StorageTriggers } from './triggers/storage-triggers.ts'
import { ProcessorTimes } from './worker/processor-time.ts'
import { WorkerPool, type WorkerPoolDeps } from './worker/worker-pool.ts'

export interface FunctionDeps {
  db: Database
  store: FunctionStore
  code: CodeStore
  pool: WorkerPool
  fleet: Fleet
  demand: Demand
  recorder: Recorder
  dispatcher: Dispatcher
  batch: EnqueueBatch
  counters: Counters
  times: ProcessorTimes
  sizing: Sizing
  logs: LogTails
  /** By their calls: attempts that have made calls of functions. */
  subCalls: Map<string, SubCalls>
  calls: Pick<CallsAtOnce, 'take' | 'full'>
  resolveSecrets: ResolveSecrets | undefined
  /** Throws `limit_exceeded` where the account wants to spend no more. */
  mayStart: (accountId: string) => void
  /** The accounts that want to spend no more: what waits for them waits on. */
  stopped: () => readonly string[]
  now: () => Date
  /** From 0 on, below 1. */
  random: () => number
  logger: Logger
}

export interface FunctionsOptions {
  db: Database
  engine: Engine
  home: string
  /** What organisations may call at once. */
  calls: Pick<CallsAtOnce, 'take' | 'full'>
  /** Takes what an instance has from the quota of its organisation. */
  hold: Hold
  networks: WorkerPoolDeps['networks']
  recordUsage: RecordUsage
  bus: Pick<EventBus, 'end' | 'changed'>
  /** The bucket of an account with this name. Throws `not_found`. */
  bucketOf: (accountId: string, name: string) => Promise<{ id: string; name: string }>
  /** The nouns of the events that a function may be called for: what any developer sees, who can change its code. */
  heardNouns: readonly string[]
  /** Without it functions have no secrets. */
  resolveSecrets?: ResolveSecrets | undefined
  mayStart: FunctionDeps['mayStart']
  stopped: FunctionDeps['stopped']
  config: {
    isolation: Isolation
    egress: { default: 'deny' | 'allow' }
    functions: {
      pool: number
      instances: number
      idleSeconds: number
      driver: string | undefined
      forecasts: boolean
    }
  }
  now: () => Date
  logger: Logger
}

/** So long calls from the queue may go on when the platform stops, milliseconds. */
const patienceMs = 2000

/** Everything that can be done with functions. One verb a line, each in the file named like it. */
export function createFunctions({
  db,
  engine,
  home,
  calls,
  hold,
  networks,
  recordUsage,
  bus,
  bucketOf,
  heardNouns,
  resolveSecrets,
  mayStart,
  stopped,
  config,
  now,
  logger,
}: FunctionsOptions) {
  const { pool: size, instances, idleSeconds, driver, forecasts: foresees } = config.functions
  const internet = config.egress.default === 'allow'
  const store = new FunctionStore({ db, now })
  const code = new CodeStore({ db, home, now })
  const { isolation } = config
  const pool = new WorkerPool({ engine, networks, logger, size, driver, isolation, internet })
  const demand = new Demand({ now, leastMinutes: idleSeconds / 60 })
  const fleet = new Fleet({
    ...{ pool, code, hold, resolveSecrets, mostInstances: instances, idleMs: idleSeconds * 1000, logger },
    onMeasured: (functionId, what) => demand.measured(functionId, what),
  })
  const times = new ProcessorTimes()
  const sizing = new Sizing()
  const logs = new LogTails((functionId) => fleet.logsOf(functionId))
  const recorder = new Recorder({
    ...{ db, home, recordUsage, logger },
    complete: async (calls) => {
      await times.share(calls)
      sizing.add(calls)
    },
    onEnded: (call) => {
      logs.ended(call)
      deps.dispatcher.ended(call)
    },
    onRecorded: (calls) => deps.dispatcher.recorded(calls),
  })
  const deps: FunctionDeps = {
    ...{
      db,
      store,
      code,
      pool,
      fleet,
      demand,
      recorder,
      times,
      sizing,
      logs,
      calls,
      resolveSecrets,
      mayStart,
      stopped,
    },
    ...{ now, logger },
    batch: new EnqueueBatch(db),
    counters: new Counters(),
    subCalls: new Map(),
    random: Math.random,
    dispatcher: undefined as never,
  }
  deps.dispatcher = new Dispatcher(deps, createHash('sha256').update(home).digest('hex').slice(0, 16))
  const series = new FunctionSeries(deps.counters, { instancesOf: () => fleet.sizes() })
  const schedules = new Schedules(deps)
  const storageTriggers = new StorageTriggers({ ...deps, bus, bucketOf })
  const eventTriggers = new EventTriggers({ ...deps, bus, heardNouns })
  const hooks = new Hooks(deps)
  const routes = new Routes(deps)
  const queues = new Queues(deps)
  const consumer = new QueueConsumer(deps, queues)
  const provisions = new Provisions({ ...deps, foresees })
  const autoMemory = new AutoMemory(deps)
  store.onChanged = () => provisions.wake()
  const get = (account: Account, name: string): Promise<KnownFunction> => store.get(account.id, name)

  return {
    deploy: (
      account: Account,
      input: DeployFunction & { name: string },
      signal: AbortSignal,
    ): Promise<FunctionVersion> => deployFunction(deps, account, input, signal),
    get,
    list: (account: Account): Promise<KnownFunction[]> => store.list(account.id),
    remove: (account: Account, name: string): Promise<void> => removeFunction(deps, account, name),
    rollback: (account: Account, name: string, to?: number): Promise<KnownFunction> =>
      rollback(deps, account, name, to),
    setLive: async (account: Account, name: string, targets: Target[]): Promise<KnownFunction> => {
      const known = await get(account, name)
      await store.setLive(known.record, checkTargets(known, targets))
      return get(account, name)
    },
    setAlias: async (account: Account, name: string, alias: string, targets: Target[]): Promise<KnownFunction> => {
      checkName('an alias', alias)
      const known = await get(account, name)
      await store.setAlias(known.record, alias, checkTargets(known, targets))
      return get(account, name)
    },
    removeAlias: async (account: Account, name: string, alias: string): Promise<boolean> =>
      store.removeAlias((await get(account, name)).record, alias),
    invoke: (account: Account, name: string, input: Invoke, signal: GoneSignal): Promise<Invoked> =>
      invoke(deps, account, name, input, signal),
    enqueue: (account: Account, name: string, input: Enqueue) => enqueue(deps, account, name, input),
    invocation: async (account: Account, id: string): Promise<Invocation> => {
      await recorder.settle(account.id)
      return findInvocation(deps, account.id, id)
    },
    invocations: async (account: Account, name: string, input: ListInvocations): Promise<Invocation[]> => {
      const { record } = await get(account, name)
      await recorder.settle(account.id)
      return listInvocations(deps, record.id, input)
    },
    /** What its calls write, as they do. Throws `not_found` before it answers. */
    logs: async (
      account: Account,
      name: string,
      { after, ...input }: Omit<FollowLogs, 'after'> & { after?: string | undefined },
    ): Promise<(signal: AbortSignal) => AsyncGenerator<Told>> => {
      const from = { ...input, after: after === undefined ? undefined : readPlace(after) }
      const { record } = await get(account, name)
      return (signal) => followLogs(deps, record, from, signal)
    },
    /** Calls by the clock. */
    schedules,
    /** Calls when objects come and go. */
    storageTriggers,
    /** Calls when something happens in the organisation. */
    eventTriggers,
    /** Calls by others, at addresses for that. */
    hooks,
    /** Calls by requests below the address of the organisation. */
    routes,
    /** Messages that wait. */
    queues,
    counts: (functionId: string) => deps.counters.of(functionId),
    /** What calls of a version used lately. */
    measured: (functionId: string, version: number): Measured | undefined => sizing.of(functionId, version),
    /** Ends an idle instance of an organisation, for something else of it. False where there is none. */
    giveWay: (accountId: string): Promise<boolean> => fleet.giveWay(accountId),
    instances: (functionId: string): number => fleet.startedOf(functionId),
    /** Of all functions, since the start and now. */
    figures: () => ({ ...deps.counters.all, ...fleet.counts, workersReady: pool.ready }),
    /** Of functions one by one: those called lately, and all others as one. */
    series: { read: () => series.read(), durationsMs },
    /** Whoever has it: for its URL, which may be public. */
    byId: (id: string): Promise<KnownFunction | undefined> => store.byId(id),

    /** At start, after the engine has taken up what it had. */
    start: async (): Promise<void> => {
      await code.open()
      await recorder.open()
      for (const kind of await store.workerKinds()) pool.use(kind)
      await deps.dispatcher.open()
      schedules.start()
      storageTriggers.start()
      eventTriggers.start()
      consumer.start()
      provisions.start()
      autoMemory.start()
    },
    /** Deletes records of calls that ended long ago. */
    forgetEnded: (before: Date, most: number): Promise<number> => forgetInvocations(db, before, most),
    /** Ends every instance; what was under way in the queue is made again by the next process. */
    close: async (): Promise<void> => {
      provisions.close()
      await autoMemory.close()
      await schedules.close()
      await storageTriggers.close()
      await eventTriggers.close()
      consumer.close()
      await deps.dispatcher.close(patienceMs)
      await fleet.close()
      await pool.close()
      await recorder.close()
    },
  }
}

export type Functions = ReturnType<typeof createFunctions>
