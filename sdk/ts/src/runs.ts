import type { AgentSpec } from './agents.ts'
import { errorFromEvent } from './error.ts'
import type { Transport } from './transport.ts'

export type RunState = 'queued' | 'running' | 'waiting' | 'done' | 'stopped' | 'failed' | 'cancelled'

/** What a human is asked. */
export interface Approval {
  id: string
  kind: 'tool' | 'unknown_outcome' | 'question' | 'plan_step'
  text: string
  tool?: string
  arguments?: unknown
  /** What reading its code and paths has found, before it is called. The excerpts are written by the model. */
  findings?: { hazard: string; severity: 'low' | 'medium' | 'high'; excerpt: string; within?: string[] }[]
}

/** An agent at work, or what became of it. Times are ISO 8601. */
export interface RunInfo {
  runId: string
  agent: string
  /** It waits for the next message after each answer. */
  conversation: boolean
  state: RunState
  /** Why it ended, such as `completed` or `max_steps`; or what it waits for. */
  reason?: string
  output?: string
  message?: string
  approvals?: Approval[]
  steps: number
  usage: { inputTokens: number; outputTokens: number; cachedInputTokens: number; usd: number; estimated?: boolean }
  parent?: string
  /** While it runs: when whoever carries it on said last that it does. */
  heartbeatAt?: string
  createdAt: string
  endedAt?: string
}

/** One thing that happened, such as `model.answered` or `tool.ended`. */
export interface RunEntry {
  seq: number
  at: string
  type: string
  /** What the agent does there; absent for what keeps the run itself, such as snapshots. */
  phase?: 'perception' | 'planning' | 'action' | 'reflection'
  data: Record<string, unknown>
}

export type RunEvent =
  | { type: 'entry'; entry: RunEntry }
  | { type: 'delta'; delta: { thread: string; type: 'text' | 'reasoning'; text: string } }
  | { type: 'run'; run: RunInfo }

export interface ReplayResult {
  diverged: boolean
  /** The first step at which something else happens. */
  at?: number
  what?: 'prompt' | 'result' | 'end'
  expected?: string
  actual?: string
  steps: number
  open?: boolean
}

export type MessageMode = 'steer' | 'follow_up' | 'interrupt'

/** Tasks given to agents, and conversations with them. */
export class Runs {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Gives an agent a task; answers at once. */
  start(
    agent: string | AgentSpec,
    input?: string,
    options: { images?: readonly Uint8Array[] | undefined } = {},
  ): Promise<RunInfo> {
    const json = { agent, ...(input !== undefined && { input }), ...shown(options.images) }
    return this.#transport.json('POST', '/v1/runs', { json })
  }

  /** Begins a conversation: the agent waits for `say`. */
  startSession(agent: string | AgentSpec): Promise<RunInfo> {
    return this.#transport.json('POST', '/v1/sessions', { json: { agent } })
  }

  get(id: string): Promise<RunInfo> {
    return this.#transport.json('GET', pathOf(id))
  }

  /** Newest first. */
  async list(
    options: { agent?: string | undefined; state?: RunState | undefined; limit?: number | undefined } = {},
  ): Promise<RunInfo[]> {
    return (await this.#transport.json<{ runs: RunInfo[] }>('GET', '/v1/runs', { query: options })).runs
  }

  /** What happened, in order. */
  async trace(id: string): Promise<RunEntry[]> {
    const found: RunEntry[] = []
    for (;;) {
      const query = { after: found.at(-1)?.seq ?? 0 }
      const { entries } = await this.#transport.json<{ entries: RunEntry[] }>('GET', `${pathOf(id)}/trace`, { query })
      if (entries.length === 0) return found
      found.push(...entries)
    }
  }

  /** An image that a run was shown, by the hash that its trace names. */
  async image(id: string, hash: string): Promise<Uint8Array> {
    const response = await this.#transport.send('GET', `${pathOf(id)}/images/${encodeURIComponent(hash)}`)
    return new Uint8Array(await response.arrayBuffer())
  }

  /** What happened after entry `after` and what happens, until the run ends or waits; that is the last event. */
  async *follow(
    id: string,
    options: { after?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<RunEvent, void> {
    const { after, signal } = options
    for await (const { event, data } of this.#transport.events('GET', `${pathOf(id)}/events`, {
      query: { after },
      signal,
    })) {
      if (event === 'entry') yield { type: 'entry', entry: data as RunEntry }
      else if (event === 'delta') yield { type: 'delta', delta: data as never }
      else if (event === 'run') yield { type: 'run', run: data as RunInfo }
      else if (event === 'error') throw errorFromEvent(data)
    }
  }

  /** Says something to a conversation, or to a run while it works. */
  say(
    id: string,
    text: string,
    mode?: MessageMode,
    options: { images?: readonly Uint8Array[] | undefined } = {},
  ): Promise<RunInfo> {
    const json = { text, ...(mode && { mode }), ...shown(options.images) }
    return this.#transport.json('POST', `${pathOf(id)}/messages`, { json })
  }

  /** Answers what a human was asked. Throws `conflict` where that was done, or the run has ended. */
  answer(
    id: string,
    approval: string,
    decision: 'approve' | 'deny' | 'done' | 'retry',
    text?: string,
  ): Promise<RunInfo> {
    const json = { decision, ...(text !== undefined && { text }) }
    return this.#transport.json('POST', `${pathOf(id)}/approvals/${encodeURIComponent(approval)}`, { json })
  }

  cancel(id: string): Promise<RunInfo> {
    return this.#transport.json('POST', `${pathOf(id)}/cancel`)
  }

  /** Does it again with its recorded answers; tells where it becomes another. */
  replay(
    id: string,
    options: {
      agent?: string | AgentSpec | undefined
      instructions?: string | undefined
      results?: { step: number; text: string }[] | undefined
    } = {},
  ): Promise<ReplayResult> {
    return this.#transport.json('POST', `${pathOf(id)}/replay`, { json: options })
  }

  /** Another run goes on from the end of step `at`. */
  fork(id: string, at: number, message?: string): Promise<RunInfo> {
    return this.#transport.json('POST', `${pathOf(id)}/fork`, {
      json: { at, ...(message !== undefined && { message }) },
    })
  }

  /** The run goes on from the end of its step `at`, as if what came after had not been. */
  rollback(id: string, at: number, message?: string): Promise<RunInfo> {
    const json = { at, ...(message !== undefined && { message }) }
    return this.#transport.json('POST', `${pathOf(id)}/rollback`, { json })
  }
}

/** PNG, JPEG, GIF or WebP. */
function shown(images: readonly Uint8Array[] = []): { images?: { data: string }[] } {
  return images.length > 0 ? { images: images.map((bytes) => ({ data: base64(bytes) })) } : {}
}

function base64(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  return btoa(binary)
}

function pathOf(id: string): string {
  return `/v1/runs/${encodeURIComponent(id)}`
}
