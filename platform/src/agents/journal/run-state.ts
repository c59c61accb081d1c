import { hash } from 'node:crypto'
import { type ToolCallPart, toolCallsOf } from '../../models/message.ts'
import { scriptedName } from '../../models/scripted.ts'
import { imageParts } from '../images/image.ts'
import type { GraphState } from '../loop/graph.ts'
import type { Plan } from '../loop/plan.ts'
import type { McpListing } from '../mcp/definition.ts'
import { tokensOf } from '../memory/count-tokens.ts'
import { withActed } from './acted.ts'
import {
  type ApprovalAnswer,
  type ApprovalRequest,
  addCost,
  type Cost,
  type Entry,
  noCost,
  type RunEnd,
  type RunStarted,
  type ToolEnded,
} from './entry.ts'
import { beforeGraph, beginNode, endNode } from './graph-state.ts'
import { rolledBack } from './rolled-back.ts'
import { aside, cacheKey, emptyThread, said, say, type Thread } from './thread.ts'

/** What was refused for its length may take so much of it. Vendors count otherwise, and the tools besides. */
const tooLongPart = 0.7
/** What a step called and got is remembered as it is up to here. */
const mostRecentChars = 256

export interface RunState {
  started: RunStarted
  seq: number
  startedAt: number
  /** Since the last message of a human: what the limits of a turn count from. */
  turn: { at: number; steps: number; rejected: number }
  threads: Map<string, Thread>
  /** Answers of the model in all threads. */
  steps: number
  usage: Cost
  /** Of models that cost something, sub-agents left out: what use is counted by. */
  metered: Cost
  /** Of sub-agents, a part of `usage`. */
  childUsage: Cost
  approvals: Map<string, ApprovalRequest & { answer?: ApprovalAnswer }>
  /** What servers of tools have told, by their names; nothing of those that were to be done without. */
  mcp: Map<string, McpListing>
  sandbox: string | undefined
  /** A snapshot from which the sandbox has to be made anew. */
  sandboxFrom: string | undefined
  snapshots: { step: number; id: string }[]
  /** Calls that may have changed the disk, in the order in which they ended: what later ones run may be of them. */
  acted: ToolCallPart[]
  plan: Plan | undefined
  graph: GraphState
  /** How often each tool was called, also in what was rolled back. */
  called: Map<string, number>
  /** What people have said since it began. */
  said: string[]
  /** Results of calls that read, until something changes. */
  cache: Map<string, string>
  /** Ids of the messages that were taken in. */
  received: Set<string>
  waitsFor: 'approval' | 'message' | undefined
  end: RunEnd | undefined
  /** When it ended the last time; 0 before. */
  endedAt: number
}

/** The state after `entries`. Pure: the same journal gives the same state, in any process. */
export function stateOf(entries: readonly Entry[]): RunState | undefined {
  const [first, ...rest] = entries
  if (first?.type !== 'run.started') return undefined
  const state = begin(first.data, first)
  const undone = rolledBack(rest)
  for (const entry of rest) {
    if (undone.has(entry)) outlast(state, entry)
    else apply(state, entry)
  }
  return state
}

/** What was paid stays paid, and what was read stays read, though it was rolled back. */
function outlast(state: RunState, { type, data }: Entry): void {
  if (type === 'model.answered' || type === 'model.failed') pay(state, data)
  else if (type === 'tool.ended') {
    payChild(state, data)
    countCall(state, data)
  } else if (type === 'message.added' && data.id) state.received.add(data.id)
}

export function begin(started: RunStarted, { seq, at }: { seq: number; at: number }): RunState {
  return {
    started,
    seq,
    startedAt: at,
    turn: { at, steps: 0, rejected: 0 },
    threads: new Map(),
    steps: 0,
    usage: noCost,
    metered: noCost,
    childUsage: noCost,
    approvals: new Map(),
    mcp: new Map(),
    sandbox: undefined,
    sandboxFrom: undefined,
    snapshots: [],
    acted: [],
    plan: undefined,
    graph: beforeGraph(),
    called: new Map(),
    said: [],
    cache: new Map(),
    received: new Set(),
    waitsFor: undefined,
    end: undefined,
    endedAt: 0,
  }
}

/** Changes `state` by one entry that holds. */
export function apply(state: RunState, entry: Entry): void {
  state.seq = entry.seq
  switch (entry.type) {
    case 'thread.opened': {
      const { thread, system, text, images } = entry.data
      const opened = emptyThread()
      state.threads.set(thread, opened)
      if (system) say(opened, { role: 'system', content: [{ type: 'text', text: system }] })
      if (text || images) say(opened, said(text, images))
      return
    }
    case 'thread.compacted': {
      const { thread: name, from, to, messages } = entry.data
      const thread = state.threads.get(name)
      if (!thread) return
      thread.messages = [...thread.messages.slice(0, from), ...messages, ...thread.messages.slice(to)]
      thread.digest = hash('sha256', `${thread.digest}${from} ${to} ${JSON.stringify(messages)}`, 'base64')
      thread.compactions++
      // What was said about it is in the journal.
      forgetThreads(state, summaryPrefix(name))
      return
    }
    case 'message.added': {
      const thread = state.threads.get(entry.data.thread ?? 'main')
      if (entry.data.id) state.received.add(entry.data.id)
      if (thread) say(thread, said(entry.data.text, entry.data.images))
      if (entry.data.thread === undefined) state.said.push(entry.data.text)
      if (entry.data.thread === undefined) state.turn = { at: entry.at, steps: 0, rejected: 0 }
      else if (entry.data.thread === 'main') state.turn.rejected++
      for (const heard of entry.data.thread === undefined ? state.threads.values() : thread ? [thread] : [])
        heard.recent = []
      state.waitsFor = undefined
      return
    }
    case 'mcp.listed':
      state.mcp.set(entry.data.server, entry.data)
      return
    case 'mcp.failed': {
      const { server, optional } = entry.data
      if (optional) state.mcp.set(server, { server, tools: [], leftOut: [] })
      return
    }
    case 'model.answered': {
      const { message } = entry.data
      const thread = state.threads.get(entry.data.thread)!
      say(thread, message)
      thread.steps++
      thread.cost = addCost(thread.cost, entry.data.usage)
      state.steps++
      state.turn.steps++
      thread.step = state.steps
      pay(state, entry.data)
      for (const call of toolCallsOf(message)) thread.open.set(call.id, { call, seq: entry.seq })
      return
    }
    case 'model.failed': {
      pay(state, entry.data)
      const thread = state.threads.get(entry.data.thread)
      if (!thread || entry.data.failure.code !== 'context_too_long') return
      thread.mostTokens = Math.floor(tooLongPart * Math.min(tokensOf(thread.messages), thread.mostTokens ?? Infinity))
      // It is asked again when it is shorter, which is another step.
      state.steps++
      state.turn.steps++
      return
    }
    case 'call.inspected': {
      const open = state.threads.get(entry.data.thread)?.open.get(entry.data.call)
      if (open) open.findings = entry.data.findings
      return
    }
    case 'tool.started': {
      const open = state.threads.get(entry.data.thread)?.open.get(entry.data.call)
      if (open) open.started = { attempt: entry.data.attempt, effect: entry.data.effect }
      return
    }
    case 'tool.ended':
      countCall(state, entry.data)
      endCall(state, entry.data)
      return
    case 'approval.requested':
      state.approvals.set(entry.data.id, entry.data)
      return
    case 'approval.answered': {
      const asked = state.approvals.get(entry.data.id)
      if (asked) asked.answer = entry.data
      if (![...state.approvals.values()].some(({ answer }) => !answer)) state.waitsFor = undefined
      return
    }
    case 'sandbox.made':
      state.sandbox = entry.data.id
      state.sandboxFrom = undefined
      return
    case 'snapshot.taken':
      state.snapshots.push(entry.data)
      return
    case 'plan.made':
      makePlan(state, entry.data)
      return
    case 'plan.step_started': {
      const step = state.plan?.steps.find(({ id }) => id === entry.data.id)
      const since = { at: entry.at, usage: state.usage }
      if (step) Object.assign(step, { status: 'running', attempts: entry.data.attempt, since })
      return
    }
    case 'plan.step_ended': {
      const { id, status, result, ms, usage } = entry.data
      const step = state.plan?.steps.find((one) => one.id === id)
      if (step) Object.assign(step, { status, result, ms: step.ms + ms, usage: addCost(step.usage, usage) })
      return
    }
    case 'graph.node_started': {
      const { thread, opened } = beginNode(state, entry)
      // It asks no model here that would be counted.
      if (entry.data.agent !== undefined) state.turn.steps++
      state.threads.set(thread, opened)
      if (entry.data.system) say(opened, { role: 'system', content: [{ type: 'text', text: entry.data.system }] })
      if (!entry.data.agent) say(opened, said(entry.data.text, entry.data.images))
      return
    }
    case 'graph.node_ended': {
      const thread = endNode(state, entry)
      state.threads.delete(thread)
      forgetThreads(state, summaryPrefix(thread))
      return
    }
    case 'run.waits':
      state.waitsFor = entry.data.for
      return
    case 'run.forked':
      // They were signed for the other run: an answer to them is none to this one, which asks anew.
      state.approvals.clear()
      state.sandbox = undefined
      state.sandboxFrom = entry.data.disk.startsWith('snapshot ') ? entry.data.disk.slice(9) : undefined
      state.waitsFor = undefined
      state.end = undefined
      state.turn = { at: entry.at, steps: 0, rejected: 0 }
      return
    case 'run.rolled_back':
      // What it undoes `stateOf` has left out already.
      state.sandbox = undefined
      state.sandboxFrom = entry.data.snapshot
      state.waitsFor = undefined
      state.end = undefined
      state.turn = { at: entry.at, steps: 0, rejected: 0 }
      return
    case 'run.ended':
      state.end = entry.data
      state.endedAt = entry.at
      return
  }
}

/** What the names of the conversations begin with in which a model summarises this one. */
export function summaryPrefix(thread: string): string {
  return `${aside.summary}${thread}:`
}

function forgetThreads({ threads }: RunState, prefix: string): void {
  for (const name of threads.keys()) if (name.startsWith(prefix)) threads.delete(name)
}

function pay(state: RunState, { model, usage }: { model: string; usage: Cost }): void {
  state.usage = addCost(state.usage, usage)
  if (model !== scriptedName) state.metered = addCost(state.metered, usage)
}

function payChild(state: RunState, { usage }: ToolEnded): void {
  if (!usage) return
  state.usage = addCost(state.usage, usage)
  state.childUsage = addCost(state.childUsage, usage)
}

function countCall({ called }: RunState, { tool }: ToolEnded): void {
  called.set(tool, (called.get(tool) ?? 0) + 1)
}

/** The last of a step's results closes the step: all go to the model, in the order of the calls. */
function endCall(state: RunState, ended: ToolEnded): void {
  const thread = state.threads.get(ended.thread)
  const open = thread?.open.get(ended.call)
  if (!thread || !open || open.ended) return
  open.ended = ended
  if (ended.usage) thread.cost = addCost(thread.cost, ended.usage)
  for (const name of ended.offers ?? []) if (!thread.offered.includes(name)) thread.offered.push(name)
  payChild(state, ended)
  if (ended.changedDisk) state.acted = withActed(state.acted, open.call)
  const invalid = ended.error === 'invalid_arguments' || ended.error === 'unknown_tool'
  thread.invalidCalls = invalid ? thread.invalidCalls + 1 : 0
  if (ended.effect !== 'read') state.cache.clear()
  else if (ended.status === 'done' && !ended.stored && !ended.images) state.cache.set(cacheKey(open), ended.text)

  const calls = [...thread.open.values()]
  if (calls.some((call) => !call.ended)) return
  let did = ''
  for (const open of calls) {
    const { call, ended: result } = open
    const isError = result!.status !== 'done' || undefined
    say(thread, {
      role: 'tool',
      callId: call.id,
      content: [{ type: 'text', text: result!.text }, ...imageParts(result!.images)],
      ...(isError && { isError }),
    })
    did += `${cacheKey(open)}\n${result!.text}\n`
  }
  thread.recent.push(did.length <= mostRecentChars ? did : hash('sha256', did, 'base64'))
  if (thread.recent.length > 100) thread.recent.shift()
  thread.open.clear()
}

/** Steps that are done stay done in a plan that is made anew. */
function makePlan(
  state: RunState,
  { steps }: { steps: Plan['steps'][number][] | { id: string; task: string }[] },
): void {
  const done = (state.plan?.steps ?? []).filter(({ status }) => status === 'done')
  const kept = new Set(done.map(({ id }) => id))
  const added = steps
    .filter(({ id }) => !kept.has(id))
    .map((step) => ({ ...step, status: 'pending' as const, attempts: 0, ms: 0, usage: noCost }))
  state.plan = { steps: [...done, ...added], version: (state.plan?.version ?? 0) + 1 }
}
