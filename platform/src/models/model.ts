import type { AssistantMessage, Extra, Message, VendorPart } from './message.ts'

/** One language model, ready to be asked. What composes models (retries, failover) is a model again. */
export interface Model {
  /** As it appears in traces: `anthropic/claude-…`. Nothing secret. */
  readonly name: string
  /**
   * Asks the model. Never throws and never rejects: the last event is `done` or `failed`, and exactly one of them comes.
   * `signal` ends it at any moment, with `cancelled`. A consumer that stops iterating ends it too.
   */
  stream(request: ModelRequest, signal?: AbortSignal): AsyncGenerator<ModelEvent, void, void>
}

export interface ModelRequest {
  messages: Message[]
  tools?: Tool[]
  toolChoice?: 'auto' | 'none' | 'required' | { name: string }
  parallelToolCalls?: boolean
  maxOutputTokens?: number
  temperature?: number
  topP?: number
  stopSequences?: string[]
  /** `effort` is the vendor's word (none, low, medium, high, …); where a vendor wants tokens, `budgetTokens`. */
  reasoning?: { effort?: string; budgetTokens?: number }
  /** The text of the answer shall be JSON of this schema; without a schema, any JSON object. */
  output?: { name?: string; description?: string; schema?: Record<string, unknown>; strict?: boolean }
  extra?: Extra
}

/** A function of ours, or, as a vendor part, one that the vendor itself runs. */
export type Tool = FunctionTool | VendorPart

export interface FunctionTool {
  type?: 'function'
  name: string
  description?: string
  /** JSON Schema of the arguments: an object. */
  inputSchema: Record<string, unknown>
  strict?: boolean
  extra?: Extra
}

/** `part` numbers the parts in the order in which they began. */
export type ModelEvent =
  | { type: 'text'; part: number; text: string }
  | { type: 'reasoning'; part: number; text: string }
  | { type: 'tool_call'; part: number; id: string; name: string }
  /** A piece of the JSON of the arguments, cut anywhere. Whole and parsed only in `done`. */
  | { type: 'tool_arguments'; part: number; text: string }
  /** An attempt failed and another begins: what was told before no longer counts. */
  | { type: 'attempt_failed'; model: string; failure: ModelFailure; retryInMs?: number }
  /** `model` is the name of who answered, where it is one of several. */
  | { type: 'done'; message: AssistantMessage; model?: string }
  /** `partial` is what had come, for the trace and the bill; its tool calls must not run. */
  | { type: 'failed'; failure: ModelFailure; partial?: AssistantMessage; model?: string }

export type Outcome = Extract<ModelEvent, { type: 'done' | 'failed' }>

/**
 * Every way to fail. `again`: the same model may answer the same request later. `elsewhere`: another model, or the same
 * with another key, may answer it.
 */
export const failureCodes = {
  auth: { again: false, elsewhere: true, meaning: 'The key is missing, unknown or not allowed to use the model.' },
  quota_exceeded: { again: false, elsewhere: true, meaning: 'The account has no credit or quota left.' },
  rate_limited: { again: true, elsewhere: true, meaning: 'Too many requests or tokens for now.' },
  overloaded: { again: true, elsewhere: true, meaning: 'The vendor has no capacity for now.' },
  server_error: { again: true, elsewhere: true, meaning: 'The vendor broke.' },
  network: { again: true, elsewhere: true, meaning: 'The vendor cannot be reached, or the answer was cut off.' },
  timeout: { again: true, elsewhere: true, meaning: 'It took longer than allowed.' },
  malformed: { again: true, elsewhere: true, meaning: 'The answer is not what this API answers.' },
  not_found: { again: false, elsewhere: true, meaning: 'There is no such model or address.' },
  context_too_long: { again: false, elsewhere: true, meaning: 'The request is larger than the model takes.' },
  invalid_request: { again: false, elsewhere: false, meaning: 'The vendor refuses the request as it is.' },
  content_filtered: { again: false, elsewhere: false, meaning: 'A filter of the vendor withheld the answer.' },
  cancelled: { again: false, elsewhere: false, meaning: 'The caller gave up.' },
} as const satisfies Record<string, { again: boolean; elsewhere: boolean; meaning: string }>

export type FailureCode = keyof typeof failureCodes

export interface ModelFailure {
  code: FailureCode
  /** What the vendor said, without secrets, at most some hundred characters. */
  message: string
  /** The HTTP status, where there was an answer. */
  status?: number
  /** How long the vendor asks to wait. */
  retryAfterMs?: number
  /** The vendor's own name of the error. */
  vendorCode?: string
  /** By which the vendor finds the request. */
  requestId?: string
}

/** What `model` answers in the end. */
export async function outcomeOf(events: AsyncIterable<ModelEvent>): Promise<Outcome> {
  let last: ModelEvent | undefined
  for await (const event of events) last = event
  if (last?.type === 'done' || last?.type === 'failed') return last
  return { type: 'failed', failure: { code: 'malformed', message: 'the model ended without an outcome' } }
}
