import { EventEmitter } from 'node:events'
import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../telemetry/logger.ts'
import { takesSpans, tellSpan } from '../telemetry/spans.ts'
import { type AgentSpec, defaultLimits } from './agent.ts'
import type { Agents } from './agents.ts'
import { RecentImages } from './images/recent-images.ts'
import type { Entry } from './journal/entry.ts'
import { addCost, type Cost, endReasons, noCost } from './journal/entry.ts'
import { Superseded } from './journal/recorder.ts'
import { type RunState, stateOf } from './journal/run-state.ts'
import { type Delta, LiveRun, type LiveRunOptions } from './live-run.ts'
import { Pot } from './loop/pot.ts'
import { pursue } from './loop/pursue.ts'
import type { Turn } from './loop/running.ts'
import type { Experiences } from './memory/experiences.ts'
import { endedStates, type Run } from './run.ts'
import { RunSpans } from './run-spans.ts'
import type { Settlement } from './run-store.ts'
import { isAttended } from './safety/is-attended.ts'
import type { SpawnRun } from './tools/spawn-agent.ts'
import { ToolError } from './tools/tool.ts'
import { earlierMs, toldBy, usageFacts } from './usage-facts.ts'

/** How often leases are renewed, and runs are looked for that nobody carries on. */
const roundMs = 5000
/** So many runs are carried on at once; those that others have spawned come on top, or nobody would end. */
const mostAtOnce = 100
const deepest = 4
/** Runs that one has brought about, itself and those of its children too. */
const mostInTree = 500
const mostLearnedAtOnce = 50
/** What has ended is learned together with what ends soon after it. */
const learnMs = 250
const mostLearnedTogether = 16
/** Runs that this process has ended and that are learned from what it knows; of others their journals are read. */
const mostToLearn = 200
/** How often a run that waits for another looks at it, where nothing is heard of it. */
const lookMs = 1000

export interface RunnerOptions
  extends Pick<
    LiveRunOptions,
    'store' | 'models' | 'hands' | 'snapshots' | 'facts' | 'documents' | 'codeReader' | 'mcp' | 'secret'
  > {
  agents: Agents
  experiences: Experiences
  accountOf: (id: string) => Promise<Account>
  now: () => Date
  logger: Logger
  /** Whether spans say what models and tools have answered. */
  traceContents: boolean
}

/** Carries runs on: those that are asked for, and after a crash those that were not finished. */
export class Runner {
  /** `written:<run>` and `delta:<run>`, `settled:<run>`. */
  readonly heard = new EventEmitter().setMaxListeners(0)
  readonly #options: RunnerOptions
  readonly #live = new Map<string, LiveRun>()
  readonly #working = new Map<string, Promise<void>>()
  /** Runs that something was done for while they were being settled. */
  readonly #again = new Set<string>()
  readonly #pots = new Map<string, Pot>()
  readonly #images = new RecentImages()
  readonly #toLearn: { id: string; accountId: string; state: RunState }[] = []
  #timer: NodeJS.Timeout | undefined
  #learning: Promise<void> | undefined
  #learnLater: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** Goes on with everything that is not finished, now and from time to time. */
  async start(): Promise<void> {
    await this.#round()
    this.#timer = setInterval(() => void this.#round(), roundMs)
    this.#timer.unref()
  }

  /** Leaves all runs where they are. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearInterval(this.#timer)
    clearTimeout(this.#learnLater)
    for (const live of this.#live.values()) live.leave()
    await Promise.allSettled(this.#working.values())
    await this.#learning
  }

  live(id: string): LiveRun | undefined {
    return this.#live.get(id)
  }

  /** Carries a run on, unless that is being done. `begins`: the one entry of its journal, of a run that was made just now. */
  wake(id: string, { isChild = false, begins }: { isChild?: boolean; begins?: Entry } = {}): void {
    if (this.#isClosing) return
    // It may be about to settle as it was before.
    if (this.#working.has(id)) return void this.#again.add(id)
    if (!isChild && this.#working.size >= mostAtOnce) return
    const work = this.#carryOn(id, begins)
      .catch((error) => {
        this.#options.logger.error({ err: error, run: id }, 'a run could not be carried on; it is tried again')
        return false
      })
      .then((isSettled) => {
        this.#working.delete(id)
        this.#learnSoon()
        // Not where there was nothing to do: who hears it looks at the run, and would have it woken again.
        if (isSettled) this.heard.emit(`settled:${id}`)
        const wasFull = this.#working.size === mostAtOnce - 1
        if (this.#again.delete(id)) this.wake(id, { isChild })
        else if (wasFull && !this.#isClosing) void this.#round()
      })
    this.#working.set(id, work)
  }

  async #round(): Promise<void> {
    const { store, logger } = this.#options
    try {
      await store.renew([...this.#live.keys()])
      for (const live of this.#live.values()) live.notify(false)
      for (const id of await store.claimable()) this.wake(id)
      this.#learn({ others: true })
    } catch (error) {
      logger.warn({ err: error }, 'runs of agents could not be looked for; it is tried again')
    }
  }

  /** Resolves when what this process has ended so far was learned, or could not be. */
  async learned(): Promise<void> {
    await this.#learning
    this.#learn()
    await this.#learning
  }

  #learnSoon(): void {
    if (this.#toLearn.length === 0 || this.#isClosing) return
    if (this.#toLearn.length >= mostLearnedTogether) this.#learn()
    else this.#learnLater ??= setTimeout(() => this.#learn(), learnMs).unref()
  }

  /** Makes experiences of what has ended. What is cut off here is done at the next start. */
  #learn({ others = false } = {}): void {
    clearTimeout(this.#learnLater)
    this.#learnLater = undefined
    if (this.#isClosing || (!others && this.#toLearn.length === 0)) return
    this.#learning ??= this.#learnAll(others).finally(() => {
      this.#learning = undefined
      this.#learn()
    })
  }

  async #learnAll(others: boolean): Promise<void> {
    const { store, experiences, logger } = this.#options
    try {
      while (this.#toLearn.length > 0) {
        if (this.#isClosing) return
        const own = this.#toLearn.splice(0, mostLearnedTogether)
        const kept = await Promise.allSettled(
          own.map(({ accountId, id, state }) => experiences.learn(accountId, id, state)),
        )
        await store.markLearned(own.flatMap(({ id }, at) => (kept[at]!.status === 'fulfilled' ? [id] : [])))
        const failed = kept.find(({ status }) => status === 'rejected')
        if (failed?.status === 'rejected') throw failed.reason
      }
      for (const { id, accountId } of others ? await store.unlearned(mostLearnedAtOnce) : []) {
        if (this.#isClosing) return
        await experiences.learn(accountId, id, stateOf(await store.journal.read(id)))
        await store.markLearned([id])
      }
    } catch (error) {
      logger.warn({ err: error }, 'runs that ended could not be kept as experiences; it is tried again')
    }
  }

  /** Answers whether it has come to an end of a turn. */
  async #carryOn(id: string, begins?: Entry): Promise<boolean> {
    const { store, accountOf, logger } = this.#options
    const run = await store.claim(id)
    if (!run) return false
    // Of a run that nobody has held before there is no more.
    const entries = begins && run.fence === 1 ? [begins] : await store.journal.read(id)
    const pot = await this.#potOf(run, entries)
    const before = { told: run.told ?? toldBy(entries), ms: earlierMs(entries) }
    const { traceContents: contents, models } = this.#options
    const { providerOf } = models
    const startedAt = this.#options.now().getTime()
    const spans = takesSpans() ? new RunSpans(run, { contents, providerOf, tell: tellSpan, startedAt }) : undefined
    const [heardWritten, heardDelta] = [`written:${id}`, `delta:${id}`]
    const live = new LiveRun({
      ...this.#options,
      run,
      entries,
      account: await accountOf(run.accountId),
      pot,
      images: this.#images,
      now: () => this.#options.now().getTime(),
      spawn: (request, signal) => this.#spawn(run, request, signal),
      onEntry: (entry) => spans?.take(entry),
      onWritten: () => this.heard.emit(heardWritten),
      tell: (delta: Delta) => this.heard.emit(heardDelta, delta),
    })
    this.#live.set(id, live)
    try {
      if (entries.length > 1) {
        live.recorder.record({ type: 'run.resumed', data: { fence: run.fence } })
        await live.sandbox.keepSnapshots()
      }
      const end = await live.findTools()
      const turn = end ? { type: 'end' as const, end } : await pursue(live)
      await live.sandbox.settled()
      await this.#settle(live, turn, before)
      return true
    } catch (error) {
      if (!(error instanceof Superseded)) throw error
      if (!this.#isClosing) logger.info({ run: id }, 'another process carries this run on')
      return false
    } finally {
      // The next to carry it on lets go of what it finds no word of in the journal.
      await live.sandbox.settled()
      this.#live.delete(id)
      live.code.close()
      await live.close()
      this.#letGoOf(run.rootId)
    }
  }

  async #settle(
    live: LiveRun,
    turn: Exclude<Turn, { type: 'answer' }>,
    before: { told: Cost; ms: number },
  ): Promise<void> {
    const { recorder, run } = live
    const { state } = recorder
    // That the turn is over is written with the row, or a crash between the two would have it settled without its use.
    await recorder.written()
    if (turn.type === 'end') recorder.record({ type: 'run.ended', data: turn.end })
    else recorder.record({ type: 'run.waits', data: { for: turn.for } })
    const usage = { ...state.usage, children: state.childUsage, metered: state.metered }
    const open = [...state.approvals.values()].filter(({ answer }) => !answer)
    const approvals = open.map(({ id, kind, text, tool, arguments: args, findings }) => ({
      id,
      kind,
      text,
      ...(tool && { tool }),
      ...(args !== undefined && { arguments: args }),
      ...(findings && { findings }),
    }))
    // What earlier processes did comes right before: one stretch, however often it was interrupted.
    const since = live.startedAt - before.ms
    const facts = usageFacts(run, { since, until: live.now(), metered: state.metered, told: before.told })
    const common = { steps: state.steps, usage, facts, reservesNothing: live.pot.budget.maxUsd === undefined }
    const settlement: Settlement =
      turn.type === 'end'
        ? {
            ...common,
            state: endReasons[turn.end.reason],
            reason: turn.end.reason,
            result: live.redactor.clean(turn.end),
          }
        : {
            ...common,
            state: 'waiting',
            reason: turn.for,
            result: { ...(turn.for === 'approval' && { approvals }), ...lastAnswer(live) },
          }
    await this.#options.store.settle(run, recorder.take(), settlement)
    if (turn.type === 'end' && this.#toLearn.length < mostToLearn)
      this.#toLearn.push({ id: run.id, accountId: run.accountId, state })
    if (turn.type === 'end') await live.sandbox.remove()
    // What came while it was being settled is for the next turn.
    if (turn.type === 'wait' && turn.for === 'message' && (await this.#options.store.inbox.of(run.id)).length > 0)
      if (await this.#options.store.requeue(run.id)) this.#again.add(run.id)
  }

  /** What all runs of a tree may use together. */
  async #potOf(run: Run, entries: readonly Entry[]): Promise<Pot> {
    const { store } = this.#options
    const state = stateOf(entries)
    let pot = this.#pots.get(run.rootId)
    if (!pot) {
      const root = run.rootId === run.id ? entries : await store.journal.read(run.rootId, { limit: 1 })
      const limits = root[0]?.type === 'run.started' ? (root[0].data.spec.limits ?? {}) : {}
      pot = new Pot({ maxTokens: limits.maxTokens, maxUsd: limits.maxUsd })
      this.#pots.set(run.rootId, pot)
      // One that nobody has carried on before has brought about no others.
      const isFirst = run.rootId === run.id && entries.length === 1
      for (const other of isFirst ? [] : await store.tree(run.rootId))
        if (other.endedAt && other.id !== run.id) pot.count(other.id, ownOf(other.usage))
    }
    if (state) pot.count(run.id, ownOf({ ...state.usage, children: state.childUsage }))
    return pot
  }

  #letGoOf(rootId: string): void {
    if (![...this.#live.values()].some(({ run }) => run.rootId === rootId)) this.#pots.delete(rootId)
  }

  async #spawn(
    parent: Run,
    { agent, input, key, deadlineSeconds }: Parameters<SpawnRun>[0],
    signal: AbortSignal,
  ): ReturnType<SpawnRun> {
    const { store, agents } = this.#options
    const above = this.#live.get(parent.id)!.recorder.state.started
    if (above.depth >= deepest)
      throw new ToolError('too_deep', `agents may spawn each other ${deepest} deep`, { happened: false })
    const found = await agents.get(await this.#options.accountOf(parent.accountId), agent)
    const spec = deadlineSeconds === undefined ? found.spec : withDeadline(found.spec, deadlineSeconds)
    const attended = isAttended(above) && { attended: true as const }
    const place = { root: parent.rootId, parent: parent.id, depth: above.depth + 1 }
    const started = { spec, input, conversation: false, ...place, ...attended }
    const created = { id: newId('u'), accountId: parent.accountId, started, onceKey: `spawn ${key}`, mostInTree }
    const { id } = await store.create(created).catch((error) => {
      if (!(error instanceof WarrenError) || error.code !== 'limit_exceeded') throw error
      throw new ToolError('too_many_runs', error.message, { happened: false, cause: error })
    })
    const cancel = () => {
      this.#live.get(id)?.cancel()
      void store.requestCancel(parent.accountId, id).catch(() => {})
    }
    signal.addEventListener('abort', cancel, { once: true })
    try {
      for (;;) {
        const next = nextLook(this.heard, `settled:${id}`, signal)
        try {
          const run = await store.find(parent.accountId, id)
          if (endedStates.includes(run.state))
            return {
              runId: id,
              end: { reason: 'internal', ...run.result, ...(run.reason && { reason: run.reason as 'internal' }) },
              usage: run.usage,
            }
          signal.throwIfAborted()
          // What waits for a human is woken by the answer; what is being carried on tells when it has settled.
          if (run.state !== 'waiting' && !this.#working.has(id)) this.wake(id, { isChild: true })
          await next.due
        } finally {
          next.stop()
        }
      }
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }
}

/** The same agent with no more time than that. */
function withDeadline(spec: AgentSpec, seconds: number): AgentSpec {
  const { deadlineSeconds = defaultLimits.deadlineSeconds } = spec.limits ?? {}
  return { ...spec, limits: { ...spec.limits, deadlineSeconds: Math.min(seconds, deadlineSeconds) } }
}

function lastAnswer({ recorder: { state } }: LiveRun): { output?: string } {
  const last = state.threads.get('main')?.messages.at(-1)
  const text =
    last?.role === 'assistant' ? last.content.map((part) => (part.type === 'text' ? part.text : '')).join('') : ''
  return text ? { output: text } : {}
}

function ownOf(usage: Cost & { children?: Cost }): Cost {
  const { children = noCost } = usage
  return addCost(usage, {
    ...children,
    inputTokens: -children.inputTokens,
    outputTokens: -children.outputTokens,
    cachedInputTokens: -children.cachedInputTokens,
    usd: -children.usd,
  })
}

/** Due when `name` is heard, the signal aborts, or a moment has passed: another process may have done it. Listens from now on. */
function nextLook(heard: EventEmitter, name: string, signal: AbortSignal): { due: Promise<void>; stop: () => void } {
  const { promise: due, resolve } = Promise.withResolvers<void>()
  const stop = () => {
    clearTimeout(timer)
    heard.off(name, stop)
    signal.removeEventListener('abort', stop)
    resolve()
  }
  const timer = setTimeout(stop, lookMs)
  heard.once(name, stop)
  signal.addEventListener('abort', stop, { once: true })
  return { due, stop }
}
