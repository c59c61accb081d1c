import { createHmac, randomBytes } from 'node:crypto'
import { newId } from '../../lib/id.ts'
import type { ModelEvent } from '../../models/model.ts'
import type { AgentSpec } from '../agent.ts'
import type { Entry } from '../journal/entry.ts'
import { MemoryJournal, Recorder } from '../journal/recorder.ts'
import { Pot } from '../loop/pot.ts'
import { pursue } from '../loop/pursue.ts'
import type { Running, Turn } from '../loop/running.ts'
import { mcpTools } from '../mcp/servers.ts'
import { signAnswer } from '../safety/approval.ts'
import type { Redactor } from '../safety/redactor.ts'
import { digestOf, spawnsByGraph, toolbox } from '../tools/toolbox.ts'
import { type Difference, Recording } from './recording.ts'

export interface ReplayOptions {
  /** Another definition of the agent, to see what it changes. */
  spec?: AgentSpec
  /** Other results of tools, by step. */
  results?: { step: number; text: string }[]
  redactor: Redactor
  inspect: Running['inspect']
}

export interface Replay {
  diverged: boolean
  /** The step at which it is another run. */
  at?: number
  what?: Difference['what']
  expected?: string
  actual?: string
  /** Steps that were done again. */
  steps: number
  /** The journal goes no further: the run was cancelled, or goes on. */
  open?: boolean
}

/**
 * Does a recorded run again with the real loop: the model and the tools answer what they answered then, except for those whose
 * result is the same whenever they are asked, which compute it anew. Tells the first step at which something else happens.
 */
export async function replay(all: readonly Entry[], options: ReplayOptions): Promise<Replay> {
  const recording = new Recording(all, options.results ?? [])
  const { started } = recording
  const stop = new AbortController()
  const journal = new MemoryJournal()
  const secret = randomBytes(16)
  let difference: Difference | undefined
  let isOpen = false
  /** The conversation that a model was asked in last. */
  let thread = ''
  const diverge = (found: Difference | undefined) => {
    if (!found || difference || isOpen) return
    difference = found
    stop.abort()
  }
  const recorder = new Recorder(
    {
      journal,
      redactor: options.redactor,
      now: () => recording.timeOf(steps()),
      durability: 'effects',
      onEntry: (entry) => {
        if (entry.type === 'model.asked') thread = entry.data.thread
        diverge(recording.compare(entry))
      },
    },
    [{ ...started, data: { ...started.data, spec: options.spec ?? started.data.spec } }],
  )
  const steps = () => (recorder as Recorder | undefined)?.state.steps ?? 0
  const tools = toolbox(recorder.state.started.spec.tools ?? [], {
    // What they would need is not there: only those that need nothing are called.
    inside: {} as never,
    code: { reader: {}, code: {} } as never,
    facts: [{}, {}] as never,
    documents: [{}, {}] as never,
    spawn: {} as never,
    skills: recorder.state.started.spec.skills ?? [],
    spawns: spawnsByGraph(recorder.state.started.spec),
    results: journal,
    more: mcpTools(recorder.state.started.spec.mcp ?? [], recording.listings, () => undefined as never),
    toolSearch: recorder.state.started.spec.toolSearch,
  })
  const { limits = {} } = started.data.spec
  const pot = new Pot(started.data.parent ? {} : { maxTokens: limits.maxTokens, maxUsd: limits.maxUsd })

  const run: Running = {
    id: 'replay',
    recorder,
    redactor: options.redactor,
    pot,
    tools,
    toolsDigest: digestOf(tools),
    signal: stop.signal,
    interruption: () => stop.signal,
    now: () => recording.timeOf(steps()),
    sleep: () => Promise.resolve(),
    newId: () => newId('p'),
    sign: (text) => createHmac('sha256', secret).update(text).digest('base64url'),
    tell: () => {},
    checkpoint: () => {},
    inspect: options.inspect,
    incoming: () => Promise.resolve(recording.messagesAt(steps(), recorder.state.received)),
    taken: () => Promise.resolve(),
    // Models answer what was recorded, whatever they are shown.
    image: () => Promise.resolve(''),
    models: () => ({
      model: { name: recording.modelAt(steps() + 1) ?? 'none', stream: () => answers() },
      pricesOf: () => recorder.state.started.spec.prices,
    }),
    replayed: (place, call) => recording.resultOf(place, call),
  }

  async function* answers(): AsyncGenerator<ModelEvent, void, void> {
    const event = recording.answerTo({ thread, step: steps() + 1 })
    if (event) return yield event
    isOpen = true
    stop.abort()
    yield { type: 'failed', failure: { code: 'cancelled', message: 'the recording goes no further' } }
  }

  let turn: Exclude<Turn, { type: 'answer' }>
  for (;;) {
    turn = await pursue(run)
    if (stop.signal.aborted || turn.type === 'end') break
    const answered =
      turn.for === 'approval'
        ? answerAll(run, recording)
        : recording.messagesAt(steps(), recorder.state.received).length > 0
    if (answered) continue
    isOpen = true
    break
  }
  if (!difference && !isOpen && turn.type === 'end') diverge(recording.compareEnd(turn.end, steps()))
  if (!difference) return { diverged: false, steps: steps(), ...(isOpen && { open: true }) }
  return { diverged: true, ...difference, steps: Math.max(0, difference.at - 1) }
}

/** Gives the answers that were given then; false where one was never given. */
function answerAll(run: Running, recording: Recording): boolean {
  const { recorder } = run
  const open = [...recorder.state.approvals.values()].filter(({ answer }) => !answer)
  const given = open.map((request) => ({ request, answer: recording.approvalOf(request) }))
  if (given.length === 0 || given.some(({ answer }) => !answer)) return false
  for (const { request, answer } of given) {
    const { decision, text, by } = answer!
    const data = signAnswer(run, request, { id: request.id, decision, by, ...(text !== undefined && { text }) })
    recorder.record({ type: 'approval.answered', data })
  }
  return true
}
