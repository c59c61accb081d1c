import { type Static, Type } from 'typebox'
import { severities } from '../kernel/hazards/hazard.ts'
import type { SetNetwork } from '../sandboxes/network.ts'
import { Graph } from './loop/graph.ts'
import { McpServer } from './mcp/server.ts'

import { Skill } from './skills/skill.ts'

const text = { format: 'plain-text' }
const strict = { additionalProperties: false }

export const AgentName = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,63}$',
  description: 'Lower-case letters, digits and dashes.',
})

/** What may be said about a tool call before it runs. */
export const Rule = Type.Object(
  {
    tool: Type.String({ minLength: 1, maxLength: 128, description: 'Its name; `*` stands for anything.', ...text }),
    arguments: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: 1000 }), {
        description:
          'By the name of an argument, a regular expression that its text must match. All of them must, for the rule to hold.',
      }),
    ),
    finding: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description:
          'Only for what was found in its code or paths, by the name of the finding; `*` stands for anything.',
      }),
    ),
    severity: Type.Optional(
      Type.Enum([...severities], { description: 'Only for findings that are at least so severe.' }),
    ),
    action: Type.Enum(['allow', 'ask', 'deny']),
    priority: Type.Optional(
      Type.Integer({
        minimum: -1000,
        maximum: 1000,
        default: 0,
        description: 'The highest that holds decides; of several, the strictest.',
      }),
    ),
    reason: Type.Optional(Type.String({ maxLength: 500, ...text })),
  },
  strict,
)
export type Rule = Static<typeof Rule>

export const Limits = Type.Object(
  {
    maxSteps: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        default: 50,
        description: 'Answers of the model, and starts of nodes that are other agents.',
      }),
    ),
    deadlineSeconds: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 2_592_000, default: 3600 })),
    maxTokens: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Of all model calls, those of sub-agents included.' }),
    ),
    maxUsd: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, description: 'Needs `prices`, or prices in the settings.' }),
    ),
    maxRepeats: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 100,
        default: 4,
        description: 'How often the same calls may have the same results.',
      }),
    ),
    maxInvalidCalls: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100, default: 5, description: 'Calls in a row that cannot be understood.' }),
    ),
  },
  strict,
)
export type Limits = Static<typeof Limits>

export const Prices = Type.Object(
  {
    input: Type.Number({ minimum: 0 }),
    output: Type.Number({ minimum: 0 }),
    cachedInput: Type.Optional(Type.Number({ minimum: 0 })),
  },
  { ...strict, description: 'US dollars for a million tokens.' },
)
export type Prices = Static<typeof Prices>

/** A step of a scripted model, see models/scripted.ts; checked by the model itself. */
const Script = Type.Array(Type.Record(Type.String(), Type.Unknown()), {
  maxItems: 10_000,
  description: 'What a scripted model answers, one step after the other: for demonstrations and tests.',
})

const Volume = Type.Object(
  {
    name: Type.String({ pattern: '^[a-zA-Z0-9_-]{1,64}$' }),
    path: Type.String({ pattern: '^/', maxLength: 1024 }),
    readOnly: Type.Optional(Type.Boolean({ description: 'Whether nobody in the sandbox can write there.' })),
  },
  strict,
)

const Paths = Type.Array(Type.String({ minLength: 1, maxLength: 1024, ...text }), {
  maxItems: 64,
  description: "Folders and files, absolute or from the user's home.",
})

export const AgentSpec = Type.Object(
  {
    name: AgentName,
    description: Type.Optional(Type.String({ maxLength: 1000, ...text })),
    instructions: Type.Optional(Type.String({ maxLength: 100_000, ...text })),
    model: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        ...text,
        description:
          '`default`: as the operator has set it, or else the script. `scripted`: the script. Else a name of a model of the same vendor.',
      }),
    ),
    planner: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, ...text, description: 'The model that plans; as `model`.' }),
    ),
    script: Type.Optional(Script),
    tools: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 256, uniqueItems: true }),
    ),
    mcp: Type.Optional(
      Type.Array(McpServer, { maxItems: 16, description: 'Servers whose tools it has beside `tools`.' }),
    ),
    toolSearch: Type.Optional(
      Type.Enum(['auto', 'always', 'never'], {
        default: 'auto',
        description:
          'Whether the tools of servers are told to the model only once it has found them by the tool `find_tools`. auto: where they are more than 32, or their definitions take more than 10,000 tokens.',
      }),
    ),
    skills: Type.Optional(
      Type.Array(Skill, { maxItems: 64, description: 'What it can read up on, by the tool `load_skill`.' }),
    ),
    policy: Type.Optional(Type.Enum(['react', 'plan', 'graph'], { default: 'react' })),
    graph: Type.Optional(Graph),
    limits: Type.Optional(Limits),
    rules: Type.Optional(Type.Array(Rule, { maxItems: 1000 })),
    completion: Type.Optional(
      Type.Object(
        {
          matches: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 1000,
              description: 'A regular expression that the answer must match.',
            }),
          ),
          judge: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 20_000,
              ...text,
              description: 'What must hold of the answer. The model that plans judges it.',
            }),
          ),
          attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 20, default: 3 })),
        },
        {
          ...strict,
          minProperties: 1,
          description: 'When an answer is accepted; else the model is told why not and asked again.',
        },
      ),
    ),
    prices: Type.Optional(Prices),
    sandbox: Type.Optional(
      Type.Object(
        {
          template: Type.Optional(Type.String({ minLength: 1, maxLength: 128, ...text })),
          network: Type.Optional(Type.Unsafe<SetNetwork>({ $ref: 'SetNetwork#' })),
          memoryMb: Type.Optional(Type.Integer({ minimum: 16 })),
          diskMb: Type.Optional(Type.Integer({ minimum: 1 })),
          volumes: Type.Optional(Type.Array(Volume, { maxItems: 8, description: 'Volumes to mount.' })),
        },
        { ...strict, description: 'Of the sandbox in which its tools run; made when the first of them needs it.' },
      ),
    ),
    paths: Type.Optional(
      Type.Object(
        { read: Type.Optional(Paths), write: Type.Optional(Paths) },
        {
          ...strict,
          description:
            'Where its tools for files and code may read and write; anywhere, unless said. What may be written may be read. Programs in the sandbox are not held by it: for those are `sandbox.volumes` with `readOnly`.',
        },
      ),
    ),
    monitor: Type.Optional(
      Type.Boolean({
        default: true,
        description:
          'Tell in the trace what calls did in the sandbox: connections, changed files, processes left running, ports.',
      }),
    ),
    memory: Type.Optional(
      Type.Object(
        {
          experiences: Type.Optional(
            Type.Boolean({
              description:
                'Tell a run what earlier ones of this agent with similar tasks have come to. Default: with plans.',
            }),
          ),
          contextTokens: Type.Optional(
            Type.Integer({
              minimum: 1000,
              maximum: 10_000_000,
              default: 100_000,
              description: 'A conversation that would take more is made shorter: its oldest part, but for the task.',
            }),
          ),
          documents: Type.Optional(
            Type.Boolean({
              default: false,
              description: 'Tell a run what the documents of this agent say about its task, before it begins.',
            }),
          ),
          readTokens: Type.Optional(
            Type.Integer({
              minimum: 100,
              maximum: 100_000,
              default: 2000,
              description: 'What is read from documents at once takes so many tokens at most.',
            }),
          ),
          summaries: Type.Optional(
            Type.Enum(['model', 'lines'], {
              description:
                'Who writes what remains of the oldest part: the model that plans, or nobody, so that it is a line for each call. Default: a model, where the agent has one.',
            }),
          ),
        },
        strict,
      ),
    ),
    checkpoints: Type.Optional(
      Type.Boolean({
        default: true,
        description: 'Keep a snapshot of the sandbox after each step that changed its disk.',
      }),
    ),
    durability: Type.Optional(
      Type.Enum(['every', 'effects'], {
        default: 'every',
        description:
          'every: whatever happened is on the disk before the next thing begins. effects: only before something that cannot be repeated, and at the end; the rest a moment later.',
      }),
    ),
  },
  { $id: 'AgentSpec', ...strict },
)
export type AgentSpec = Static<typeof AgentSpec>

export const defaultContextTokens = 100_000

export const defaultLimits = { maxSteps: 50, deadlineSeconds: 3600, maxRepeats: 4, maxInvalidCalls: 5 } as const

/** An agent as it is recorded. */
export interface Agent {
  spec: AgentSpec
  builtIn: boolean
  createdAt: Date
  updatedAt: Date
}
