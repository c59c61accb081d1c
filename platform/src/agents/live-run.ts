import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Account } from '../accounts/account.ts'
import { newId } from '../lib/id.ts'
import { type CodeReader, inspectBy } from './code/code-reader.ts'
import { SandboxCode } from './code/sandbox-code.ts'
import type { RecentImages } from './images/recent-images.ts'
import type { Entry, RunEnd } from './journal/entry.ts'
import { type Journal, Recorder, Superseded } from './journal/recorder.ts'
import type { Pot } from './loop/pot.ts'
import type { Incoming, PricedModel, Running, WhichModel } from './loop/running.ts'
import type { McpDeps } from './mcp/connection.ts'
import { McpServers } from './mcp/servers.ts'
import type { Documents } from './memory/documents.ts'
import type { FactDeps } from './memory/facts.ts'
import type { ModelSource } from './models.ts'
import type { Run } from './run.ts'
import type { RunSnapshots } from './run-snapshots.ts'
import type { RunStore } from './run-store.ts'
import { Redactor } from './safety/redactor.ts'
import { checkPath } from './tools/check-path.ts'
import { RunSandbox, type SandboxHands } from './tools/run-sandbox.ts'
import type { Tool } from './tools/tool.ts'
import { digestOf, spawnsByGraph, type ToolboxOptions, toolbox } from './tools/toolbox.ts'

export type Delta = Parameters<Running['tell']>[0]

export interface LiveRunOptions {
  run: Run
  entries: readonly Entry[]
  account: Account
  store: RunStore
  models: ModelSource
  hands: SandboxHands
  snapshots: RunSnapshots
  facts: FactDeps
  documents: Documents
  codeReader: CodeReader
  mcp: McpDeps
  spawn: ToolboxOptions['spawn']
  images: RecentImages
  /** What approvals are signed with. */
  secret: string
  pot: Pot
  now: () => number
  onEntry: (entry: Entry) => void
  onWritten: () => void
  tell: (delta: Delta) => void
}

/** A run that this process carries on. */
export class LiveRun implements Running {
  readonly run: Run
  readonly recorder: Recorder
  readonly redactor: Redactor
  readonly pot: Pot
  tools: ReadonlyMap<string, Tool>
  toolsDigest: string
  readonly sandbox: RunSandbox
  readonly code: SandboxCode
  readonly now: () => number
  /** When this process began to carry it on. */
  readonly startedAt: number
  readonly tell: (delta: Delta) => void
  readonly #store: RunStore
  readonly #secret: string
  readonly #models: ModelSource
  readonly #journal: Journal
  readonly #images: RecentImages
  readonly #servers: McpServers
  readonly #toolbox: () => ReadonlyMap<string, Tool>
  readonly inspect: Running['inspect']
  readonly #cancel = new AbortController()
  readonly #opened = new Map<string, PricedModel>()
  #interrupt = new AbortController()
  #mayHaveMail = true
  #left = false

  constructor(options: LiveRunOptions) {
    const { run, entries, account, store, models, hands, now, secret, pot } = options
    this.run = run
    this.pot = pot
    this.now = now
    this.startedAt = now()
    this.tell = options.tell
    this.#store = store
    this.#images = options.images
    this.#models = models
    this.#secret = secret
    const journal = this.#guarded(store.journal.of(run.id, run.fence))
    this.#journal = journal
    this.redactor = new Redactor([...models.secrets, secret])
    const started = entries[0]?.type === 'run.started' ? entries[0].data : undefined
    const durability = started?.spec.durability ?? 'every'
    this.recorder = new Recorder(
      { journal, redactor: this.redactor, now, durability, onEntry: options.onEntry, onWritten: options.onWritten },
      entries,
    )
    this.sandbox = new RunSandbox({
      hands,
      snapshots: options.snapshots,
      account,
      runId: run.id,
      recorder: this.recorder,
      signal: this.#cancel.signal,
    })
    this.inspect = inspectBy(options.codeReader)
    const files = async () => (await hands.running({ account, id: await this.sandbox.id() })).guest.files
    this.code = new SandboxCode({ reader: options.codeReader, accountId: account.id, runId: run.id, files, now })
    const { recorder, redactor, sandbox } = this
    const given = { ...options.mcp, account, recorder, redactor, sandbox, hands }
    this.#servers = new McpServers(started?.spec.mcp ?? [], given)
    const paths = started?.spec.paths
    const checkFolder = async (file: string) => {
      if (paths) await checkPath(await files(), paths, { file, access: 'read' })
    }
    this.#toolbox = () =>
      toolbox(started?.spec.tools ?? [], {
        inside: { hands, account, sandbox, paths },
        code: { reader: options.codeReader, code: this.code, checkFolder },
        facts: [options.facts, { accountId: account.id, agent: run.agent, runId: run.id }],
        documents: [options.documents, { accountId: account.id, agent: run.agent }, started?.spec.memory?.readTokens],
        results: journal,
        spawn: options.spawn,
        skills: started?.spec.skills ?? [],
        spawns: spawnsByGraph(started?.spec),
        more: this.#servers.tools(),
        toolSearch: started?.spec.toolSearch,
      })
    this.tools = this.#toolbox()
    this.toolsDigest = digestOf(this.tools)
    if (run.cancelRequested) this.#cancel.abort()
  }

  get id(): string {
    return this.run.id
  }

  /** Finds the tools that are elsewhere. Answers with the end of the run where one cannot be found that it needs. */
  async findTools(): Promise<RunEnd | undefined> {
    if (!this.recorder.state.started.spec.mcp?.length) return undefined
    const end = await this.#servers.discover(this.signal)
    this.tools = this.#toolbox()
    this.toolsDigest = digestOf(this.tools)
    return end
  }

  /** What it has open in this process; the run may go on elsewhere. */
  async close(): Promise<void> {
    this.#images.forget(this.id)
    await this.#servers.close()
  }

  get signal(): AbortSignal {
    return this.#cancel.signal
  }

  models(which: WhichModel): PricedModel {
    const key = typeof which === 'string' ? which : `node ${which.model}`
    let model = this.#opened.get(key)
    if (!model) {
      model = this.#models.of(this.recorder.state.started.spec, which, () => this.recorder.state.steps)
      this.#opened.set(key, model)
    }
    return model
  }

  image(hash: string): Promise<string | undefined> {
    return this.#images.get(this.id, hash, this.#journal.readBlob)
  }

  async incoming(): Promise<Incoming[]> {
    if (!this.#mayHaveMail) return []
    this.#mayHaveMail = false
    const found = await this.#store.inbox.of(this.id)
    if (found.length > 0) this.#mayHaveMail = true
    if (!found.some(({ mode }) => mode === 'interrupt')) this.#goOn()
    return found
  }

  async taken(ids: readonly string[]): Promise<void> {
    await this.#store.inbox.forget(ids)
    this.#goOn()
  }

  interruption(): AbortSignal {
    return this.#interrupt.signal
  }

  /** A message may have come. */
  notify(isInterrupt: boolean): void {
    this.#mayHaveMail = true
    if (isInterrupt) this.#interrupt.abort()
  }

  cancel(): void {
    this.#cancel.abort()
  }

  /** This process stops carrying it on, without a word in the journal: another one goes on. */
  leave(): void {
    this.#left = true
    this.#cancel.abort()
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await delay(ms, undefined, { signal })
  }

  newId(): string {
    return newId('p')
  }

  sign(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url')
  }

  checkpoint(step: number): void {
    const { spec } = this.recorder.state.started
    if (spec.checkpoints !== false) this.sandbox.checkpoint(step)
  }

  #goOn(): void {
    if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController()
  }

  #guarded(journal: Journal): Journal {
    return {
      ...journal,
      append: (entries) =>
        this.#left ? Promise.reject(new Superseded('this process has left the run')) : journal.append(entries),
    }
  }
}
