import type { Duplex, Readable } from 'node:stream'
import type { Account } from '../accounts/account.ts'
import type { Config } from '../config.ts'
import type { Engine, Instance } from '../engine/engine.ts'
import type { GuestExecution } from '../engine/guest/context-execution.ts'
import type { GuestProcess } from '../engine/guest/process.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Templates } from '../templates/templates.ts'
import { goBack } from './browser/back.ts'
import type {
  ClickElement,
  Evaluated,
  EvaluateInPage,
  GoBack,
  OpenUrl,
  PageSnapshot,
  PageState,
  PressKey,
  TakeScreenshot,
  TakeSnapshot,
  TypeText,
} from './browser/browser.ts'
import { clickElement } from './browser/click.ts'
import { closeBrowser } from './browser/close.ts'
import { evaluateInPage } from './browser/evaluate.ts'
import { openUrl } from './browser/open.ts'
import { pressKey } from './browser/press.ts'
import { takeScreenshot } from './browser/screenshot.ts'
import { takeSnapshot } from './browser/snapshot.ts'
import { typeText } from './browser/type.ts'
import { checkHere } from './check-here.ts'
import { type Concurrency, readConcurrency } from './concurrency.ts'
import { openConsole } from './console.ts'
import type { Context, CreateContext, ExecuteInContext } from './contexts/context.ts'
import { createContext } from './contexts/create.ts'
import { type ContextExecution, executeInContext, startInContext } from './contexts/execute.ts'
import { listContexts } from './contexts/list.ts'
import { removeContext } from './contexts/remove.ts'
import { restartContext } from './contexts/restart.ts'
import { countSandboxes } from './count.ts'
import { createSandbox } from './create.ts'
import { createSnapshot } from './create-snapshot.ts'
import { type Execution, execute, startExecution } from './execute.ts'
import { expireSandbox } from './expire.ts'
import { Expiry } from './expiry.ts'
import { exportSnapshot } from './export-snapshot.ts'
import { extendSandbox } from './extend.ts'
import { forkEach, forkSandbox } from './fork.ts'
import { getSandbox } from './get.ts'
import { getNetwork } from './get-network.ts'
import { getSnapshot } from './get-snapshot.ts'
import { giveUpNode } from './give-up-node.ts'
import { importSnapshot } from './import-snapshot.ts'
import { type ListSandboxes, listSandboxes } from './list.ts'
import { type ListSnapshots, listSnapshots } from './list-snapshots.ts'
import { type LiveSandbox, liveSandbox } from './live.ts'
import { LiveSandboxes } from './live-sandboxes.ts'
import type { Measurement } from './measure.ts'
import { readMetrics, type SandboxMetrics } from './metrics.ts'
import { MetricsHistory, type Sampled } from './metrics-history.ts'
import type { AskedNetwork, SandboxNetwork } from './network.ts'
import { type OutgoingDeps, openSealed, type SealedPart } from './outgoing.ts'
import { pauseSandbox } from './pause.ts'
import { type PortRules, portRules } from './port-rules.ts'
import { readPosture, type SandboxPosture } from './posture.ts'
import type { Execute, StartProcess } from './program.ts'
import { recoverSandboxes } from './recover.ts'
import { removeSandbox } from './remove.ts'
import { removeSnapshot } from './remove-snapshot.ts'
import { keepIdentitiesFresh, renewIdentities } from './renew-identities.ts'
import { renewNetwork, renewSecret } from './renew-secret.ts'
import { resumeSandbox } from './resume.ts'
import type { CreateSandbox, ForkSandbox, PauseSandbox, ResumeSandbox, Sandbox } from './sandbox.ts'
import type { SandboxFilter } from './sandbox-reads.ts'
import { setNetwork } from './set-network.ts'
import { setSandboxTimeout } from './set-timeout.ts'
import type { CreateSnapshot, Snapshot } from './snapshot.ts'
import { SnapshotRecords } from './snapshot-records.ts'
import { startProcess } from './start-process.ts'
import { SandboxStore } from './store.ts'
import { sweepSandboxes } from './sweep.ts'
import { busiestSandboxes, type TopSandbox, topSandboxes } from './top.ts'
import type { UseMeter } from './use-meter.ts'
import type { MountedVolume, MountVolume } from './volumes.ts'
import { connectSandbox, sleepingSandbox, wakeSandbox, wokenInstance } from './wake.ts'

export type { Sampled }

export interface SandboxDeps extends OutgoingDeps {
  engine: Engine
  store: SandboxStore
  snapshots: SnapshotRecords
  templates: Templates
  config: Pick<Config, 'defaultLimits' | 'egress' | 'quotas'>
  /** The volumes of an account by their names. */
  volumes: (account: Account, asked: readonly MountVolume[]) => Promise<MountedVolume[]>
  now: () => Date
  logger: Logger
  /** Id of the worker that this is; undefined: the platform itself. */
  node?: string | undefined
  /** Whose a sandbox is, for what is done to it without a request of its owner. */
  accountOf: (id: string) => Promise<Account>
  /** Throws `limit_exceeded` where the account wants to spend no more. */
  mayStart: (accountId: string) => void
  /** Ends something idle of the account that has processors and memory and is no sandbox. False where there is none. */
  giveWay: (accountId: string) => Promise<boolean>
  expiry: Expiry
  meter: UseMeter
  /** Running sandboxes by id. A cache of what the store says is running and the engine has alive. */
  live: LiveSandboxes
  /** Sandboxes that some call of this process is changing right now: the sweep leaves them alone. */
  busy: Set<string>
}

/** A sandbox and who asks for it. */
export interface Subject {
  account: Account
  id: string
}

/** A context of a sandbox, and who asks for it. */
export interface InContext extends Subject {
  contextId: string
}

interface SandboxesOptions
  extends OutgoingDeps,
    Pick<
      SandboxDeps,
      | 'engine'
      | 'templates'
      | 'volumes'
      | 'config'
      | 'now'
      | 'logger'
      | 'node'
      | 'accountOf'
      | 'meter'
      | 'mayStart'
      | 'giveWay'
    > {
  db: Database
}

/** Everything that can be done with sandboxes. One verb a line, each in the file named like it. */
export function createSandboxes({ db, ...given }: SandboxesOptions) {
  const live = new LiveSandboxes()
  const history = new MetricsHistory({ live, logger: given.logger, meter: given.meter })
  const deps: SandboxDeps = {
    ...given,
    store: new SandboxStore({ db, now: given.now }),
    snapshots: new SnapshotRecords(db),
    live,
    busy: new Set(),
    expiry: new Expiry({
      now: given.now,
      logger: given.logger,
      sweep: (everything) => sweepSandboxes(deps, everything),
    }),
  }
  let endIdentities: (() => void) | undefined
  /** Whatever is done to a sandbox is done by the node that has it. */
  const here = <T>(subject: Subject, act: () => Promise<T>): Promise<T> => checkHere(deps, subject).then(act)
  return {
    create: (account: Account, input: CreateSandbox, signal: AbortSignal) =>
      createSandbox(deps, account, input, signal),
    get: (subject: Subject): Promise<Sandbox> => getSandbox(deps, subject.account, subject.id),
    list: (account: Account, input: ListSandboxes) => listSandboxes(deps, account, input),
    remove: (subject: Subject) => here(subject, () => removeSandbox(deps, subject.account, subject.id)),
    setTimeout: (subject: Subject, seconds: number): Promise<Sandbox> =>
      here(subject, () => setSandboxTimeout(deps, subject, seconds)),
    network: (subject: Subject): Promise<SandboxNetwork> => here(subject, () => getNetwork(deps, subject)),
    setNetwork: (subject: Subject, input: AskedNetwork): Promise<SandboxNetwork> =>
      here(subject, () => setNetwork(deps, subject, input)),
    expire: (subject: Subject): Promise<void> => here(subject, () => expireSandbox(deps, subject)),
    extend: (subject: Subject, seconds: number): Promise<Sandbox> =>
      here(subject, () => extendSandbox(deps, subject, seconds)),
    count: (account: Account, filter: SandboxFilter): Promise<number> => countSandboxes(deps, account, filter),
    pause: (subject: Subject, input: PauseSandbox): Promise<Sandbox> =>
      here(subject, () => pauseSandbox(deps, subject, input)),
    resume: (subject: Subject, input: ResumeSandbox): Promise<Sandbox> =>
      here(subject, () => resumeSandbox(deps, subject, input)),
    connect: (subject: Subject, input: ResumeSandbox & { timeout: number }) =>
      here(subject, () => connectSandbox(deps, subject, input)),
    fork: (subject: Subject, input: ForkSandbox, signal: AbortSignal): Promise<Sandbox[]> =>
      forkSandbox(deps, subject, input, signal),
    forkEach: (subject: Subject, input: ForkSandbox, signal: AbortSignal) => forkEach(deps, subject, input, signal),
    snapshots: {
      create: (subject: Subject, input: CreateSnapshot & { id?: string }, signal: AbortSignal): Promise<Snapshot> =>
        createSnapshot(deps, subject, input, signal),
      get: (subject: Subject): Promise<Snapshot> => getSnapshot(deps, subject.account, subject.id),
      list: (account: Account, input: ListSnapshots) => listSnapshots(deps, account, input),
      remove: (subject: Subject): Promise<void> => removeSnapshot(deps, subject.account, subject.id),
      export: (subject: Subject): Promise<Readable> => exportSnapshot(deps, subject),
      import: (account: Account, input: { name: string | undefined; content: Readable }, signal: AbortSignal) =>
        importSnapshot(deps, account, input, signal),
    },
    execute: (subject: Subject, input: Execute, signal: AbortSignal): Promise<Execution> =>
      execute(deps, subject, input, signal),
    startExecution: (subject: Subject, input: Execute, signal: AbortSignal): Promise<GuestProcess> =>
      startExecution(deps, subject, input, signal),
    startProcess: (subject: Subject, input: StartProcess): Promise<GuestProcess> => startProcess(deps, subject, input),
    console: (subject: Subject): Promise<Duplex> => openConsole(deps, subject),
    contexts: {
      create: (subject: Subject, input: CreateContext, signal: AbortSignal): Promise<Context> =>
        createContext(deps, subject, input, signal),
      list: (subject: Subject): Promise<Context[]> => listContexts(deps, subject),
      execute: (subject: InContext, input: ExecuteInContext, signal: AbortSignal): Promise<ContextExecution> =>
        executeInContext(deps, subject, input, signal),
      start: (subject: InContext, input: ExecuteInContext, signal: AbortSignal): Promise<GuestExecution> =>
        startInContext(deps, subject, input, signal),
      restart: (subject: InContext): Promise<void> => restartContext(deps, subject),
      remove: (subject: InContext): Promise<void> => removeContext(deps, subject),
    },
    browser: {
      open: (subject: Subject, input: OpenUrl, signal: AbortSignal): Promise<PageState> =>
        openUrl(deps, subject, input, signal),
      snapshot: (subject: Subject, input: TakeSnapshot, signal: AbortSignal): Promise<PageSnapshot> =>
        takeSnapshot(deps, subject, input, signal),
      click: (subject: Subject, input: ClickElement, signal: AbortSignal): Promise<PageState> =>
        clickElement(deps, subject, input, signal),
      type: (subject: Subject, input: TypeText, signal: AbortSignal): Promise<PageState> =>
        typeText(deps, subject, input, signal),
      press: (subject: Subject, input: PressKey, signal: AbortSignal): Promise<PageState> =>
        pressKey(deps, subject, input, signal),
      screenshot: (subject: Subject, input: TakeScreenshot, signal: AbortSignal): Promise<Buffer> =>
        takeScreenshot(deps, subject, input, signal),
      evaluate: (subject: Subject, input: EvaluateInPage, signal: AbortSignal): Promise<Evaluated> =>
        evaluateInPage(deps, subject, input, signal),
      back: (subject: Subject, input: GoBack, signal: AbortSignal): Promise<PageState> =>
        goBack(deps, subject, input, signal),
      close: (subject: Subject, signal: AbortSignal): Promise<void> => closeBrowser(deps, subject, signal),
    },
    metrics: (subject: Subject): Promise<SandboxMetrics> => readMetrics(deps, subject),
    metricsHistory: async (subject: Subject): Promise<Measurement[]> => {
      await getSandbox(deps, subject.account, subject.id)
      return history.of(subject.id)
    },
    /** The running ones of an account, with what each uses now. */
    top: (account: Account): Promise<TopSandbox[]> => topSandboxes(deps, history, account),
    /** Calls `listener` every few seconds with what each running sandbox uses. Answers with what takes that back. */
    onSample: (listener: (sampled: Sampled) => Promise<void>): (() => void) => history.onSample(listener),
    /** Puts in force anew what it may reach: as its secrets, and what may be sent today, are now. */
    renewNetwork: (sandbox: LiveSandbox): Promise<void> => renewNetwork(deps, sandbox),
    busiest: (most: number) => busiestSandboxes(deps, history, most),
    concurrency: (account: Account, range: { from: Date; to: Date }): Promise<Concurrency[]> =>
      readConcurrency(db, account, range),
    posture: (subject: Subject, signal: AbortSignal): Promise<SandboxPosture> => readPosture(deps, subject, signal),
    /** What runs inside, for work that needs no rule of ours: files, processes, logs, ports. */
    running: (subject: Subject): Promise<Instance> => wokenInstance(deps, subject.account, subject.id),

    /** Whoever owns it, for a caller that shows another right to it than a key. */
    live: (id: string): LiveSandbox | undefined => liveSandbox(deps, id),
    liveIds: (): Iterable<string> => deps.live.keys(),
    sleeping: (id: string): Promise<Sandbox | undefined> => sleepingSandbox(deps, id),
    wake: (sandbox: Sandbox): Promise<LiveSandbox> => wakeSandbox(deps, sandbox),
    /** Calls `cut` when a running sandbox is paused or ends. Answers with what takes that back. */
    onLeave: (id: string, cut: () => void): (() => void) => deps.live.onLeave(id, cut),
    portRules: (of: LiveSandbox | Sandbox): Promise<PortRules> => portRules(deps, of),

    /** What is done to its requests on their way out, with the values as they were given. */
    outgoing: ({ accountId, network }: Sandbox): SealedPart | undefined =>
      network.sealed === undefined ? undefined : openSealed(deps, accountId, network.sealed),
    /** A secret has changed, or is gone. */
    renewSecret: (accountId: string, name: string): Promise<void> => renewSecret(deps, accountId, name),
    /** New identity tokens for all that have some. */
    renewIdentities: (): Promise<void> => renewIdentities(deps),
    /** Ids of the sandboxes that have a volume, whoever owns them. */
    withVolume: (volumeId: string): Promise<string[]> => deps.store.withVolume(volumeId),

    /** Makes everything that a lost worker had `failed`. Answers how many. */
    giveUpNode: (node: string): Promise<number> => giveUpNode(db, node),
    /** At start, before anything else is asked for. */
    recover: async (): Promise<void> => {
      await recoverSandboxes(deps)
      await deps.expiry.start()
      history.start()
      endIdentities = keepIdentitiesFresh(deps)
    },
    /** Deletes records of sandboxes that ended long ago. */
    forgetEnded: (before: Date, most: number): Promise<number> => deps.store.forgetEnded(before, most),
    /** Stops the timers. The sandboxes live on. */
    close: async (): Promise<void> => {
      endIdentities?.()
      await history.close()
      await deps.expiry.close()
    },
  }
}

export type Sandboxes = ReturnType<typeof createSandboxes>
