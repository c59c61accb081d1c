import { type Static, Type } from 'typebox'
import { type HazardName, hazards, severities } from '../kernel/hazards/hazard.ts'
import type { AgentRunsTable } from '../storage/tables.ts'
import { AgentName, type AgentSpec } from './agent.ts'
import { GivenImages } from './images/image.ts'
import { type Cost, decisions, type Entry, type RunEnd, type RunStarted } from './journal/entry.ts'

/*
 * The life of a run. The row says where it is; what happened is in the journal, and whoever holds the newest fence writes it.
 *
 *             create            claim                 settle
 *   (nothing) ──────▶ queued ──────────▶ running ──────────────▶ done | stopped | failed | cancelled
 *                       ▲                 │   ▲                        │
 *                       │                 │   └─ claim (its process is gone)
 *                       │  answer,        │ settle                     │
 *                       │  message     waiting                         │
 *                       └──────────────── ┘ ◀── rollback ──────────────┘
 */

export const runStates = ['queued', 'running', 'waiting', 'done', 'stopped', 'failed', 'cancelled'] as const
export type RunStateName = (typeof runStates)[number]

const text = { format: 'plain-text' }
const strict = { additionalProperties: false }
const MessageText = Type.String({ maxLength: 200_000, ...text })

export const StartRun = Type.Object(
  {
    agent: Type.Union([AgentName, Type.Unsafe<AgentSpec>({ $ref: 'AgentSpec#' })], {
      description: 'The name of an agent, or a whole one.',
    }),
    input: Type.Optional(MessageText),
    images: Type.Optional(GivenImages),
  },
  { $id: 'StartRun', ...strict },
)
export type StartRun = Static<typeof StartRun>

export const StartSession = Type.Object(
  { agent: Type.Union([AgentName, Type.Unsafe<AgentSpec>({ $ref: 'AgentSpec#' })]) },
  { $id: 'StartSession', ...strict },
)

export const AddMessage = Type.Object(
  {
    text: Type.String({ minLength: 1, maxLength: 200_000, ...text }),
    images: Type.Optional(GivenImages),
    mode: Type.Optional(
      Type.Enum(['steer', 'follow_up', 'interrupt'], {
        default: 'steer',
        description:
          'While it runs: before the next question to the model, after the present answer, or at once, giving up what is being done.',
      }),
    ),
  },
  { $id: 'AddMessage', ...strict },
)
export type AddMessage = Static<typeof AddMessage>

export const AnswerApproval = Type.Object(
  {
    decision: Type.Enum([...decisions], {
      description: 'approve or deny; of a call whose outcome nobody knows done (`text` is its result), retry or deny.',
    }),
    text: Type.Optional(
      Type.String({ maxLength: 100_000, ...text, description: 'The answer to a question, a result, or a reason.' }),
    ),
  },
  { $id: 'AnswerApproval', ...strict },
)
export type AnswerApproval = Static<typeof AnswerApproval>

export const ReplayRun = Type.Object(
  {
    agent: Type.Optional(
      Type.Union([AgentName, Type.Unsafe<AgentSpec>({ $ref: 'AgentSpec#' })], {
        description: 'Another definition, to see what it changes. Default: the one of the run.',
      }),
    ),
    instructions: Type.Optional(Type.String({ maxLength: 100_000, ...text })),
    results: Type.Optional(
      Type.Array(Type.Object({ step: Type.Integer({ minimum: 1 }), text: MessageText }, strict), {
        maxItems: 1000,
        description: 'Other results of tools, by step.',
      }),
    ),
  },
  { $id: 'ReplayRun', ...strict },
)
export type ReplayRun = Static<typeof ReplayRun>

export const ReplayView = Type.Object(
  {
    diverged: Type.Boolean(),
    at: Type.Optional(Type.Integer({ description: 'The first step at which something else happens.' })),
    what: Type.Optional(Type.Enum(['prompt', 'result', 'end'])),
    expected: Type.Optional(Type.String()),
    actual: Type.Optional(Type.String()),
    steps: Type.Integer({ description: 'Steps that were the same.' }),
    open: Type.Optional(
      Type.Boolean({ description: 'The recording goes no further: the run was cancelled, waits, or goes on.' }),
    ),
  },
  { $id: 'Replay' },
)

export const BranchRun = Type.Object(
  {
    at: Type.Integer({ minimum: 0, description: 'The step after which it goes on; 0 is before the first.' }),
    message: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200_000, ...text, description: 'What is said to it first.' }),
    ),
  },
  { $id: 'BranchRun', ...strict },
)
export type BranchRun = Static<typeof BranchRun>

const Tokens = Type.Integer({ minimum: 0 })
const CostView = Type.Object({
  inputTokens: Tokens,
  outputTokens: Tokens,
  cachedInputTokens: Tokens,
  usd: Type.Number(),
  estimated: Type.Optional(Type.Boolean({ description: 'The vendor told nothing, so it was computed from lengths.' })),
})

const FindingView = Type.Object({
  hazard: Type.Enum(Object.keys(hazards) as HazardName[]),
  severity: Type.Enum([...severities]),
  excerpt: Type.String(),
  within: Type.Optional(Type.Array(Type.String(), { description: 'What it was found in, from inside.' })),
})

const ApprovalView = Type.Object({
  id: Type.String(),
  kind: Type.Enum(['tool', 'unknown_outcome', 'question', 'plan_step']),
  text: Type.String(),
  tool: Type.Optional(Type.String()),
  arguments: Type.Optional(Type.Unknown()),
  findings: Type.Optional(
    Type.Array(FindingView, { description: 'What reading its code and paths has found, before it is called.' }),
  ),
})

/** A run as callers see it. */
export const RunView = Type.Object(
  {
    runId: Type.String(),
    agent: Type.String(),
    conversation: Type.Boolean(),
    state: Type.Enum([...runStates]),
    reason: Type.Optional(
      Type.String({ description: 'Why it ended, such as completed or max_steps; or what it waits for.' }),
    ),
    output: Type.Optional(Type.String({ description: 'The last answer.' })),
    message: Type.Optional(Type.String({ description: 'What went wrong.' })),
    approvals: Type.Optional(Type.Array(ApprovalView, { description: 'What a human is asked.' })),
    steps: Type.Integer(),
    usage: CostView,
    parent: Type.Optional(Type.String()),
    heartbeatAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description:
          'While it runs: when whoever carries it on said last that it does, every 5 s. After 30 s without, it is taken over.',
      }),
    ),
    createdAt: Type.String({ format: 'date-time' }),
    endedAt: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { $id: 'Run' },
)

/** What a run's row says beside its journal. */
export interface RunResult extends Partial<RunEnd> {
  approvals?: Static<typeof ApprovalView>[]
}

/** A run as it is recorded. */
export interface Run {
  id: string
  accountId: string
  agent: string
  conversation: boolean
  state: RunStateName
  reason: string | undefined
  result: RunResult
  rootId: string
  parentId: string | undefined
  /** While it runs: when its lease was taken or renewed. */
  heartbeatAt: Date | undefined
  fence: number
  cancelRequested: boolean
  steps: number
  usage: Cost
  /** What facts of use were recorded of. Undefined where that is for the journal to tell. */
  told: Cost | undefined
  createdAt: Date
  endedAt: Date | undefined
}

/** How long a run is held by whoever carries it on after it said so last. */
export const leaseMs = 30_000

export const endedStates: readonly RunStateName[] = ['done', 'stopped', 'failed', 'cancelled']

export type RunRow = Omit<AgentRunsTable, 'learned' | 'result' | 'usage' | 'fence' | 'cancel_requested' | 'steps'> & {
  result: unknown
  usage: unknown
  fence: number
  cancel_requested: boolean
  steps: number
}

/** What its journal begins with. */
export function firstEntry({ createdAt }: Run, started: RunStarted): Entry {
  return { seq: 1, at: createdAt.getTime(), type: 'run.started', data: started }
}

export function toRun(row: RunRow): Run {
  const none: Cost = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, usd: 0 }
  return {
    id: row.id,
    accountId: row.account_id,
    agent: row.agent,
    conversation: row.conversation,
    state: row.state,
    reason: row.reason ?? undefined,
    result: (row.result ?? {}) as RunResult,
    rootId: row.root_id,
    parentId: row.parent_id ?? undefined,
    heartbeatAt: row.lease_until ? new Date(row.lease_until.getTime() - leaseMs) : undefined,
    fence: Number(row.fence),
    cancelRequested: row.cancel_requested,
    steps: row.steps,
    usage: { ...none, ...(row.usage as Partial<Cost>) },
    told: (row.usage as { metered?: Cost } | null)?.metered,
    createdAt: row.created_at,
    endedAt: row.ended_at ?? undefined,
  }
}
