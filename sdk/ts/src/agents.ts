import type { Transport } from './transport.ts'

/** An agent: a model, instructions, tools, rules and limits. The fields are those of the schema AgentSpec of the server. */
export interface AgentSpec {
  name: string
  description?: string
  instructions?: string
  /** `default`, `scripted`, or a name of a model of the operator's vendor. */
  model?: string
  planner?: string
  script?: Record<string, unknown>[]
  tools?: string[]
  policy?: 'react' | 'plan' | 'graph'
  /** What is done by whom with whose results. It goes with the policy `graph`. */
  graph?: {
    nodes: GraphNode[]
    edges?: { from: string; to: string; matches?: string; failed?: boolean; otherwise?: boolean }[]
    /** Those that begin with the task. Default: those that no edge leads to. */
    start?: string[]
    maxVisits?: number
  }
  limits?: {
    maxSteps?: number
    deadlineSeconds?: number
    maxTokens?: number
    maxUsd?: number
    maxRepeats?: number
    maxInvalidCalls?: number
  }
  rules?: {
    tool: string
    arguments?: Record<string, string>
    /** Only for what reading the code and paths of a call has found: by name, or at least so severe. */
    finding?: string
    severity?: 'low' | 'medium' | 'high'
    action: 'allow' | 'ask' | 'deny'
    priority?: number
    reason?: string
  }[]
  /** When an answer is accepted: by a regular expression, by what a model says of it, or both. */
  completion?: { matches?: string; judge?: string; attempts?: number }
  /** US dollars for a million tokens. */
  prices?: { input: number; output: number; cachedInput?: number }
  sandbox?: {
    template?: string
    network?: { internet?: boolean; allow?: string[]; deny?: string[]; bandwidthMbps?: number }
    memoryMb?: number
    diskMb?: number
    volumes?: { name: string; path: string; readOnly?: boolean }[]
  }
  /** Where its tools for files and code may read and write. Programs in the sandbox are not held by it. */
  paths?: { read?: string[]; write?: string[] }
  /** Tell in the trace what calls did in the sandbox. Default: true. */
  monitor?: boolean
  /** Servers of the Model Context Protocol: at an address, or programs in the sandbox of the run. */
  mcp?: McpServer[]
  /** Whether their tools are told to the model only once it has found them by `find_tools`. Default: where they are many. */
  toolSearch?: 'auto' | 'always' | 'never'
  /** What it can read up on, by the tool `load_skill`. */
  skills?: Skill[]
  memory?: {
    /** Tell a run what earlier ones with similar tasks have come to. Default: with plans. */
    experiences?: boolean
    /** A conversation that would take more is made shorter. Default: 100,000. */
    contextTokens?: number
    /** Tell a run what the documents of this agent say about its task, before it begins. Default: no. */
    documents?: boolean
    /** What is read from documents at once takes so many tokens at most. Default: 2,000. */
    readTokens?: number
    /** Who writes what remains of its oldest part. Default: a model, where the agent has one. */
    summaries?: 'model' | 'lines'
  }
  checkpoints?: boolean
  durability?: 'every' | 'effects'
}

/** A part of a graph: done by this agent in a conversation of its own, or by another one. */
export interface GraphNode {
  id: string
  task?: string
  /** The name of the agent that does it. Default: this one, with the next three. */
  agent?: string
  instructions?: string
  model?: string
  tools?: string[]
  /** Begins with each message that it is sent, or once all that lead to it have sent one. Default: any. */
  join?: 'any' | 'all'
  approval?: boolean
  attempts?: number
}

/** Instructions that are read when they are needed. The files are laid into the sandbox then, below `skills/NAME`. */
export interface Skill {
  name: string
  /** All that the model knows of it until it loads it. */
  description: string
  instructions: string
  files?: Record<string, string>
}

/** A server whose tools an agent has as `NAME__TOOL`. It has either `url` or `command`. */
export interface McpServer {
  name: string
  url?: string
  /** `${warren.secrets.NAME}` in a value stands for a secret. */
  headers?: Record<string, string>
  command?: string[]
  env?: Record<string, string>
  cwd?: string
  /** Those that the agent gets. Default: all. */
  tools?: string[]
  effects?: Record<string, 'read' | 'idempotent' | 'once'>
  /** A run goes on without its tools where it cannot be reached. */
  optional?: boolean
  /** For one call. Default: 60. */
  timeoutSeconds?: number
}

export interface AgentInfo {
  spec: AgentSpec
  /** It comes with the platform. */
  builtIn: boolean
  updatedAt: string
}

/** What a run has come to. */
export interface Experience {
  runId: string
  agent: string
  task: string
  /** Why the run ended. */
  outcome: string
  plan: string[]
  /** How often each was called. */
  tools: Record<string, number>
  answer: string
  steps: number
  at: string
  /** How alike its task is to what was asked, at most 1. */
  score?: number
}

/** What an agent has been told to remember. */
export interface AgentFact {
  id: string
  text: string
  runId: string
  at: string
  expiresAt?: string
}

/** A text that an agent can look up. */
export interface AgentDocument {
  id: string
  name: string
  kind: 'markdown' | 'code' | 'text'
  bytes: number
  at: string
}

/** A part of a document, and where it stands. */
export interface Passage {
  documentId: string
  /** Of the document. */
  name: string
  /** That it stands below, outermost first. */
  headings: string[]
  firstLine: number
  lastLine: number
  text: string
  at: string
}

/** The agents of an account. */
export class Agents {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Makes an agent, or gives one another definition. Throws `invalid_request` for what cannot work. */
  put(spec: AgentSpec): Promise<AgentInfo> {
    return this.#transport.json('PUT', pathOf(spec.name), { json: spec })
  }

  /** Throws `not_found` when there is none. */
  get(name: string): Promise<AgentInfo> {
    return this.#transport.json('GET', pathOf(name))
  }

  async list(): Promise<AgentInfo[]> {
    return (await this.#transport.json<{ agents: AgentInfo[] }>('GET', '/v1/agents')).agents
  }

  /** What runs of the organisation have come to: the newest, or those whose task is like a given one. */
  async experiences(
    options: { like?: string | undefined; agent?: string | undefined; limit?: number | undefined } = {},
  ): Promise<Experience[]> {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value))
    return (await this.#transport.json<{ experiences: Experience[] }>('GET', `/v1/experiences?${query}`)).experiences
  }

  /** Later runs are not told of it any more. */
  forgetExperience(runId: string): Promise<void> {
    return this.#transport.done('DELETE', `/v1/experiences/${encodeURIComponent(runId)}`)
  }

  /** What an agent remembers and what holds: the newest, or what has words of `like`. */
  async facts(
    name: string,
    options: { like?: string | undefined; limit?: number | undefined } = {},
  ): Promise<AgentFact[]> {
    const path = `${pathOf(name)}/facts`
    return (await this.#transport.json<{ facts: AgentFact[] }>('GET', path, { query: options })).facts
  }

  /** Throws `not_found` when there is none. */
  forgetFact(name: string, fact: string): Promise<void> {
    return this.#transport.done('DELETE', `${pathOf(name)}/facts/${encodeURIComponent(fact)}`)
  }

  /** Gives an agent a document, or another text in the place of the one of its name. Throws `not_found` when there is no such agent. */
  putDocument(
    name: string,
    document: { name: string; text: string; kind?: AgentDocument['kind'] | undefined },
  ): Promise<AgentDocument> {
    return this.#transport.json('POST', `${pathOf(name)}/documents`, { json: document })
  }

  /** By their names. */
  async documents(name: string): Promise<AgentDocument[]> {
    return (await this.#transport.json<{ documents: AgentDocument[] }>('GET', `${pathOf(name)}/documents`)).documents
  }

  /** A document with its text. Throws `not_found` when there is none. */
  document(name: string, id: string): Promise<AgentDocument & { text: string }> {
    return this.#transport.json('GET', `${pathOf(name)}/documents/${encodeURIComponent(id)}`)
  }

  /** Throws `not_found` when there is none. */
  deleteDocument(name: string, id: string): Promise<void> {
    return this.#transport.done('DELETE', `${pathOf(name)}/documents/${encodeURIComponent(id)}`)
  }

  /** What the documents of an agent say about something, best first: at most so many, of so many tokens together. */
  async passages(
    name: string,
    like: string,
    options: { limit?: number | undefined; tokens?: number | undefined } = {},
  ): Promise<{ passages: Passage[]; by: 'words' | 'vectors' }> {
    return await this.#transport.json('GET', `${pathOf(name)}/passages`, { query: { like, ...options } })
  }

  /** Its runs stay, and so do its facts and documents. */
  delete(name: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(name))
  }
}

function pathOf(name: string): string {
  return `/v1/agents/${encodeURIComponent(name)}`
}
