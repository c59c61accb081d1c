import type { Finding } from '../../kernel/hazards/hazard.ts'
import type { AssistantMessage, Message } from '../../models/message.ts'
import type { ModelFailure } from '../../models/model.ts'
import type { AgentSpec } from '../agent.ts'
import type { StoredImage } from '../images/image.ts'
import type { PlanStep } from '../loop/plan.ts'
import type { McpListing } from '../mcp/definition.ts'
import type { Effect } from '../tools/tool.ts'
import type { Observed } from '../tools/watch-sandbox.ts'

/** What happened in a run. The journal is the truth; everything else is computed from it. */
export type Entry = Fact & { seq: number; at: number }

/** An entry before it has a number. Intents are written before their effects, outcomes after. */
export type Fact =
  | { type: 'run.started'; data: RunStarted }
  | {
      type: 'message.added'
      data: { text: string; mode: MessageMode; id?: string; thread?: string; images?: StoredImage[] }
    }
  /** A conversation with a model of its own: the main one, one for the plan, one for each attempt at a step of it. */
  | { type: 'thread.opened'; data: { thread: string; system: string; text: string; images?: StoredImage[] } }
  /** Messages `from` up to `to`, without that one, became others: the conversation took too much. */
  | {
      type: 'thread.compacted'
      data: {
        thread: string
        from: number
        to: number
        messages: Message[]
        tokensBefore: number
        tokensAfter: number
        /** By a model. */
        summarised?: true
      }
    }
  /** The tools of a server, as the run has them to its end; or why it has none of them. */
  | { type: 'mcp.listed'; data: McpListing }
  | { type: 'mcp.failed'; data: { server: string; error: string; message: string; optional: boolean } }
  | { type: 'model.asked'; data: { thread: string; step: number; model: string; digest: string } }
  | { type: 'model.answered'; data: ModelAnswered }
  | {
      type: 'model.failed'
      data: { thread: string; step: number; model: string; failure: ModelFailure; ms: number; usage: Cost }
    }
  /** What was found in the code or the paths of a call, before it was called. */
  | { type: 'call.inspected'; data: { thread: string; step: number; call: string; tool: string; findings: Finding[] } }
  | {
      type: 'tool.started'
      data: { thread: string; step: number; call: string; tool: string; effect: Effect; key: string; attempt: number }
    }
  | { type: 'tool.ended'; data: ToolEnded }
  | { type: 'approval.requested'; data: ApprovalRequest }
  | { type: 'approval.answered'; data: ApprovalAnswer }
  | { type: 'sandbox.made'; data: { id: string; from?: string } }
  /** What a call did there that its result need not tell. */
  | { type: 'sandbox.observed'; data: { thread: string; step: number; call: string; tool: string } & Observed }
  | { type: 'snapshot.taken'; data: { step: number; id: string } }
  | { type: 'snapshot.failed'; data: { step: number; reason: string } }
  | { type: 'plan.made'; data: { steps: PlanStep[]; reason?: string } }
  | { type: 'plan.step_started'; data: { id: string; attempt: number } }
  | {
      type: 'plan.step_ended'
      data: { id: string; status: 'done' | 'failed'; result: string; ms: number; usage: Cost }
    }
  | { type: 'graph.node_started'; data: NodeStarted }
  | { type: 'graph.node_ended'; data: NodeEnded }
  | { type: 'run.waits'; data: { for: 'approval' | 'message' } }
  | { type: 'run.resumed'; data: { fence: number } }
  | { type: 'run.forked'; data: { from: string; at: number; disk: string } }
  /** Everything after entry `to` is as if it had not been. */
  | { type: 'run.rolled_back'; data: { to: number; step: number; disk: string; snapshot?: string } }
  | { type: 'run.ended'; data: RunEnd }

/** A node of a graph begins, in a conversation or a run of its own, and takes these messages. */
interface NodeStarted {
  node: string
  visit: number
  attempt: number
  step: number
  text: string
  takes: number[]
  system?: string
  tools?: string[]
  agent?: string
  images?: StoredImage[]
}

/** `sent`: the nodes that its result is for. */
interface NodeEnded {
  node: string
  visit: number
  attempt: number
  status: 'done' | 'failed'
  result: string
  ms: number
  usage: Cost
  sent: string[]
}

export type MessageMode = 'steer' | 'follow_up' | 'interrupt'

export interface RunStarted {
  spec: AgentSpec
  input: string
  /** What the task is about, beside its words. */
  images?: StoredImage[]
  conversation: boolean
  root: string
  parent?: string
  depth: number
  /** Somebody is there who answers questions, though it is not this run that they speak with. */
  attended?: true
  /** What earlier runs with similar tasks have come to, and what documents say about it. */
  lessons?: string
}

/** Tokens and money. `estimated`: the vendor did not say, and it was computed from lengths. */
export interface Cost {
  inputTokens: number
  outputTokens: number
  cachedInputTokens: number
  usd: number
  estimated?: boolean
}

interface ModelAnswered {
  thread: string
  step: number
  model: string
  message: AssistantMessage
  ms: number
  usage: Cost
  /** Attempts that failed before this one. */
  failed?: { model: string; code: string; message: string }[]
}

export const toolStatuses = ['done', 'failed', 'cancelled', 'interrupted', 'unknown', 'denied'] as const
export type ToolStatus = (typeof toolStatuses)[number]

export interface ToolEnded {
  thread: string
  step: number
  call: string
  tool: string
  status: ToolStatus
  /** What the model gets to read. */
  text: string
  ms: number
  attempts: number
  effect: Effect
  /** Why it failed, as a program reads it. */
  error?: string
  /** Hash of the whole result, where `text` is a part of it. */
  stored?: string
  storedChars?: number
  cached?: boolean
  /** What the model gets to see. */
  images?: StoredImage[]
  changedDisk?: boolean
  usage?: Cost
  /** Tools that the conversation has from now on. */
  offers?: string[]
}

export interface ApprovalRequest {
  id: string
  kind: 'tool' | 'unknown_outcome' | 'question' | 'plan_step'
  thread: string
  step: number
  call?: string
  tool?: string
  /** What is asked, for people. */
  text: string
  arguments?: unknown
  /** What was found in them. */
  findings?: Finding[]
  /** Over all of the above: what is approved is what was asked. */
  signature: string
}

export const decisions = ['approve', 'deny', 'done', 'retry'] as const
export type Decision = (typeof decisions)[number]

/** What can be answered to what. Whether something has happened is no matter of approval: that could mean that it is to happen again. */
export const decisionsOf: Record<ApprovalRequest['kind'], readonly Decision[]> = {
  tool: ['approve', 'deny'],
  plan_step: ['approve', 'deny'],
  question: ['approve', 'deny'],
  unknown_outcome: ['done', 'retry', 'deny'],
}

export interface ApprovalAnswer {
  id: string
  decision: Decision
  /** The answer to a question, the result of a call whose outcome was unknown, or why not. */
  text?: string
  by: string
  signature: string
}

export const endReasons = {
  completed: 'done',
  max_steps: 'stopped',
  deadline: 'stopped',
  token_budget: 'stopped',
  money_budget: 'stopped',
  no_progress: 'stopped',
  invalid_calls: 'stopped',
  not_accepted: 'stopped',
  output_limit: 'stopped',
  model_failed: 'failed',
  refused: 'failed',
  plan_failed: 'failed',
  graph_failed: 'failed',
  tools_unavailable: 'failed',
  tampered: 'failed',
  internal: 'failed',
  cancelled: 'cancelled',
} as const
export type EndReason = keyof typeof endReasons

export interface RunEnd {
  reason: EndReason
  /** The last answer. */
  output?: string
  /** What went wrong, in words. */
  message?: string
}

export const noCost: Cost = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, usd: 0 }

export function addCost(a: Cost, b: Cost): Cost {
  const sum: Cost = {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    usd: a.usd + b.usd,
  }
  if (a.estimated || b.estimated) sum.estimated = true
  return sum
}
