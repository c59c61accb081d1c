import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import type { Account } from '../accounts/account.ts'
import { parseOpenRange } from '../engine/network/judge-address.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { RecordUsage } from '../metering/usage-fact.ts'
import { httpEmbedder } from '../models/embedder.ts'
import type { AgentBudget } from '../quotas/agent-budget.ts'
import type { Database } from '../storage/database.ts'
import type { AgentSpec } from './agent.ts'
import { Agents, builtInAgents } from './agents.ts'
import { CodeReader, inspectBy } from './code/code-reader.ts'
import { imageOf, type NewImage, readImages, storedOf } from './images/image.ts'
import { decisionsOf, type Entry } from './journal/entry.ts'
import { stateOf } from './journal/run-state.ts'
import type { Delta } from './live-run.ts'
import type { McpDeps } from './mcp/connection.ts'
import type { FoundPassages } from './memory/document-indexes.ts'
import { passagesFor } from './memory/document-tools.ts'
import { type AgentDocument, Documents, type PutDocument } from './memory/documents.ts'
import { Experiences } from './memory/experiences.ts'
import { type Fact, findFacts, forgetExpiredFacts, forgetFact, forgetFactsOf, hasFacts } from './memory/facts.ts'
import { Meanings } from './memory/meanings.ts'
import { type ModelConfig, modelSource } from './models.ts'
import { forkRun, rollbackRun } from './replay/branch.ts'
import { type Replay, replay } from './replay/replay.ts'
import {
  type AddMessage,
  type AnswerApproval,
  type BranchRun,
  endedStates,
  firstEntry,
  type ReplayRun,
  type Run,
  type RunStateName,
  type StartRun,
} from './run.ts'
import { RunSnapshots } from './run-snapshots.ts'
import { RunStore } from './run-store.ts'
import { Runner, type RunnerOptions } from './runner.ts'
import { signAnswer } from './safety/approval.ts'
import { Redactor } from './safety/redactor.ts'

interface AgentRunsOptions
  extends Pick<RunnerOptions, 'hands' | 'accountOf' | 'now' | 'logger' | 'secret' | 'traceContents'> {
  db: Database
  models: ModelConfig
  /** Where experiences are kept. */
  home: string
  /** Private ranges where servers of tools may be. */
  mcpOpen: readonly string[]
  revealSecrets: McpDeps['revealSecrets']
  recordUsage: RecordUsage
  budget: AgentBudget
  /** Throws `limit_exceeded` where the account wants to spend no more. What goes on by itself is not asked. */
  mayStart: (accountId: string) => void
}

/** A run and who asks for it. */
export interface RunSubject {
  account: Account
  id: string
}

/** Everything that can be done with agents and their runs. */
export function createAgentRuns({
  db,
  models: modelConfig,
  home,
  mcpOpen,
  revealSecrets,
  recordUsage,
  budget,
  mayStart,
  ...given
}: AgentRunsOptions) {
  const { now, secret } = given
  const models = modelSource(modelConfig, () => newId('c'))
  const holder = createHmac('sha256', secret).update('holder').digest('hex').slice(0, 16)
  const { hands, accountOf, logger } = given
  const snapshots = new RunSnapshots({ db, hands, accountOf, logger })
  const store = new RunStore({ db, now, holder, recordUsage, budget, snapshots })
  const { embedding } = modelConfig
  const embedder = embedding && httpEmbedder({ fetch: globalThis.fetch }, embedding)
  const meanings = embedder && new Meanings({ embedder, now, logger: given.logger })
  const experiences = new Experiences(home, meanings)
  const documents = new Documents({ db, now, meanings, builtInAgents })
  const agents = new Agents({
    ...{ db, models, now },
    forgetMemory: async (tx, whose) => {
      await forgetFactsOf(tx, whose)
      await documents.removeAll(tx, whose)
    },
  })
  const mcp = { open: mcpOpen.map(parseOpenRange), revealSecrets }
  const codeReader = new CodeReader(home)
  const facts = { db, now }
  const memory = { experiences, facts, documents }
  const runner = new Runner({ ...given, ...memory, store, snapshots, agents, models, codeReader, mcp })
  const redactor = new Redactor([...models.secrets, secret])
  const inspect = inspectBy(codeReader)

  const specOf = async (account: Account, agent: StartRun['agent']): Promise<AgentSpec> => {
    if (typeof agent !== 'string') {
      agents.check(agent)
      return agent
    }
    const { spec } = await agents.get(account, agent)
    agents.check(spec)
    return spec
  }

  const start = async (account: Account, input: StartRun, conversation: boolean): Promise<Run> => {
    mayStart(account.id)
    const spec = await specOf(account, input.agent)
    if (conversation && spec.policy && spec.policy !== 'react')
      throw new WarrenError(
        'invalid_request',
        `a session needs the policy react, and agent ${spec.name} has ${spec.policy}`,
      )
    const task = input.input ?? (conversation ? '' : agents.taskOf(spec.name))
    if (task === undefined)
      throw new WarrenError('invalid_request', 'the body must have the field "input": what the agent is to do')
    const images = readImages(input.images ?? [])
    const id = newId('u')
    const wanted = spec.memory?.experiences ?? spec.policy === 'plan'
    if (wanted) await runner.learned()
    const learned = wanted ? await experiences.lessons(account.id, spec.name, task) : undefined
    const { documents: isTold, readTokens: tokens } = spec.memory ?? {}
    const whose = { accountId: account.id, agent: spec.name }
    const read = isTold ? await passagesFor(documents, whose, { task, tokens }) : undefined
    const lessons = [learned, read].filter(Boolean).join('\n\n')
    const own = { spec, input: task, ...storedOf(images), conversation, root: id, depth: 0 }
    const started = redactor.clean({ ...own, ...(lessons && { lessons }) })
    const run = await store.create({ id, accountId: account.id, started, images })
    runner.wake(id, { begins: firstEntry(run, started) })
    return run
  }

  /** Throws `invalid_request` where no conversation of a run would be shown what is said to it. */
  const checkSees = async (id: string) => {
    const [first] = await store.journal.read(id, { limit: 1 })
    const policy = first?.type === 'run.started' ? first.data.spec.policy : undefined
    if (policy === undefined || policy === 'react') return
    throw new WarrenError(
      'invalid_request',
      `run ${id} has the policy ${policy}: images can be given with its task only`,
    )
  }

  /** Throws `not_found` where there is neither such an agent nor anything of one: one that was given with its run has no other trace. */
  const whoseDocuments = async (account: Account, agent: string) => {
    const whose = { accountId: account.id, agent }
    if (!(await documents.has(whose))) await agents.get(account, agent)
    return whose
  }

  return {
    agents,
    experiences,
    documents: {
      /** Throws `not_found` where there is no such agent. */
      put: async (account: Account, agent: string, input: PutDocument): Promise<AgentDocument> =>
        documents.put(await whoseDocuments(account, agent), input),
      list: async (account: Account, agent: string): Promise<AgentDocument[]> =>
        documents.list(await whoseDocuments(account, agent)),
      get: async (account: Account, agent: string, id: string): Promise<AgentDocument & { text: string }> => {
        const found = await documents.get({ accountId: account.id, agent }, id)
        if (!found) throw new WarrenError('not_found', `agent ${agent} has no document ${id}`)
        return found
      },
      remove: async (account: Account, agent: string, id: string): Promise<void> => {
        if (await documents.remove({ accountId: account.id, agent }, id)) return
        throw new WarrenError('not_found', `agent ${agent} has no document ${id}`)
      },
      search: async (
        account: Account,
        agent: string,
        { like, ...most }: { like: string; limit?: number; tokens?: number },
      ): Promise<FoundPassages> => documents.search(await whoseDocuments(account, agent), like, most),
    },
    start: (account: Account, input: StartRun): Promise<Run> => start(account, input, false),
    startSession: (account: Account, input: { agent: StartRun['agent'] }): Promise<Run> => start(account, input, true),
    /** What an agent has been told to remember. Throws `not_found` where there is neither such an agent nor a fact of one. */
    facts: async (account: Account, agent: string, filter: { like?: string; limit: number }): Promise<Fact[]> => {
      const whose = { accountId: account.id, agent }
      if (!(await hasFacts({ db, now }, whose))) await agents.get(account, agent)
      return await findFacts({ db, now }, whose, filter)
    },
    forgetFact: async (account: Account, agent: string, id: string): Promise<void> => {
      if (await forgetFact({ db, now }, { accountId: account.id, agent }, id)) return
      throw new WarrenError('not_found', `agent ${agent} has no fact ${id}`)
    },
    get: ({ account, id }: RunSubject): Promise<Run> => store.find(account.id, id),
    list: (
      account: Account,
      filter: { agent?: string; state?: RunStateName; conversation?: boolean; before?: Date; limit: number },
    ) => store.list(account.id, filter),

    /** What happened, in order. */
    entries: async ({ account, id }: RunSubject, range: { after?: number; limit?: number } = {}): Promise<Entry[]> => {
      await store.find(account.id, id)
      return await store.journal.read(id, range)
    },

    /** An image of a run by its hash, as its journal names it. Throws `not_found` where the run has none. */
    image: async ({ account, id }: RunSubject, hash: string): Promise<NewImage> => {
      await store.find(account.id, id)
      const data = await store.journal.readBlob(id, hash)
      // Long results and entries are kept in the same way.
      const image = data === undefined ? undefined : imageOf(data)
      if (image) return image
      throw new WarrenError('not_found', `run ${id} has no image ${hash.slice(0, 64)}`)
    },

    /** What happened after entry `after` and what happens, until the run ends or waits; with what the model says meanwhile. */
    follow: (subject: RunSubject, after: number, signal: AbortSignal) => follow(subject, after, signal),

    cancel: async ({ account, id }: RunSubject): Promise<Run> => {
      const run = await store.requestCancel(account.id, id)
      runner.live(id)?.cancel()
      runner.wake(id)
      return run
    },

    /** For a conversation, or while it runs. Throws `conflict` for a run that has ended. */
    addMessage: async (
      { account, id }: RunSubject,
      { text, images = [], mode = 'steer' }: AddMessage,
    ): Promise<Run> => {
      const shown = readImages(images)
      const run = await store.find(account.id, id)
      if (endedStates.includes(run.state))
        throw new WarrenError('conflict', `run ${id} has ended: it is ${run.state}`, { details: { state: run.state } })
      if (run.state === 'waiting') mayStart(account.id)
      if (shown.length > 0 && !run.conversation) await checkSees(id)
      await store.inbox.add(id, mode, { text: redactor.text(text), images: shown })
      await store.requeue(id)
      runner.live(id)?.notify(mode === 'interrupt')
      runner.wake(id)
      return await store.find(account.id, id)
    },

    /** Answers what a human was asked; the run goes on with it, or neither. Of two answers at once one is the first. */
    answer: async ({ account, id }: RunSubject, approval: string, input: AnswerApproval): Promise<Run> => {
      const run = await store.change(account.id, id, (current, entries) => {
        const asked = stateOf(entries)?.approvals.get(approval)
        if (!asked) throw new WarrenError('not_found', `run ${id} asks nothing with the id ${approval.slice(0, 64)}`)
        if (asked.answer)
          throw new WarrenError('conflict', `${approval} was answered already: ${asked.answer.decision}`)
        if (current.state !== 'waiting')
          throw new WarrenError('conflict', `run ${id} does not wait for an answer: it is ${current.state}`, {
            details: { state: current.state },
          })
        const possible = decisionsOf[asked.kind]
        if (!possible.includes(input.decision))
          throw new WarrenError(
            'invalid_request',
            `${approval} asks for ${asked.kind}: the decision must be one of ${possible.join(', ')}, not ${input.decision}`,
          )
        const text = input.text === undefined ? {} : { text: redactor.text(input.text) }
        const sign = (message: string) => createHmac('sha256', secret).update(message).digest('base64url')
        return [
          {
            type: 'approval.answered',
            data: signAnswer({ id, sign }, asked, { id: approval, decision: input.decision, by: account.id, ...text }),
          },
        ]
      })
      runner.wake(id)
      return run
    },

    /** Does it again with what was recorded, and tells where it becomes another. */
    replay: async ({ account, id }: RunSubject, input: ReplayRun): Promise<Replay> => {
      await store.find(account.id, id)
      const { agent, instructions, results } = input
      const entries = await store.journal.read(id)
      const recorded = entries[0]?.type === 'run.started' ? entries[0].data.spec : undefined
      const base = agent === undefined ? recorded : await specOf(account, agent)
      const spec = base && instructions !== undefined ? { ...base, instructions } : base
      return await replay(entries, { redactor, inspect, ...(spec && { spec }), ...(results && { results }) })
    },

    fork: async ({ account, id }: RunSubject, { at, message }: BranchRun): Promise<Run> => {
      mayStart(account.id)
      const run = await forkRun({ store, snapshots, hands, now }, { account, id }, { at, ...cleaned(message) })
      runner.wake(run.id)
      return run
    },

    rollback: async ({ account, id }: RunSubject, { at, message }: BranchRun): Promise<Run> => {
      mayStart(account.id)
      const run = await rollbackRun({ store, snapshots, hands, now }, { account, id }, { at, ...cleaned(message) })
      runner.wake(id)
      return run
    },

    recover: async (): Promise<void> => {
      await snapshots.recover()
      await runner.start()
    },
    /** Each deletes at most so many things that were over before that time, and answers how many. */
    forget: [
      async (before: Date, most: number): Promise<number> => {
        const forgotten = await store.forgetEnded(before, most)
        await snapshots.removeUnneeded()
        return forgotten
      },
      (before: Date, most: number): Promise<number> => forgetExpiredFacts(facts, before, most),
      (before: Date, most: number): Promise<number> => documents.forgetOrphans(before, most),
    ],
    close: async (): Promise<void> => {
      meanings?.close()
      await runner.close()
      await snapshots.close()
      await experiences.close()
      await documents.close()
      await codeReader.close()
    },
  }

  function cleaned(message: string | undefined): { message?: string } {
    return message === undefined ? {} : { message: redactor.text(message) }
  }

  async function* follow(
    { account, id }: RunSubject,
    after: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ entry: Entry } | { delta: Delta } | { run: Run }> {
    let seq = after
    const deltas: Delta[] = []
    let ring = () => {}
    const onNews = () => ring()
    const onDelta = (delta: Delta) => {
      deltas.push(delta)
      ring()
    }
    runner.heard.on(`written:${id}`, onNews).on(`settled:${id}`, onNews).on(`delta:${id}`, onDelta)
    try {
      for (;;) {
        const heard = new Promise<void>((resolve) => {
          ring = resolve
        })
        // The row first: what was written before it settled is read after it.
        const run = await store.find(account.id, id)
        const entries = await store.journal.read(id, { after: seq })
        for (const delta of deltas.splice(0)) yield { delta }
        for (const entry of entries) {
          seq = entry.seq
          yield { entry }
        }
        if (entries.length > 0) continue
        if (run.state !== 'running' && run.state !== 'queued') return yield { run }
        if (deltas.length > 0) continue
        await Promise.race([heard, pause(1000, signal)])
        signal.throwIfAborted()
      }
    } finally {
      runner.heard.off(`written:${id}`, onNews).off(`settled:${id}`, onNews).off(`delta:${id}`, onDelta)
    }
  }
}

export type AgentRuns = ReturnType<typeof createAgentRuns>

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const timer = AbortSignal.timeout(ms)
  await once(AbortSignal.any([timer, signal]), 'abort')
}
