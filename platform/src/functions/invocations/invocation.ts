/** Why a call did not come to a result. `error`: the handler threw; the others happened to it. */
export type FailureReason =
  | 'error'
  | 'timeout'
  | 'out_of_memory'
  | 'exited'
  | 'bad_json'
  | 'response_too_large'
  | 'load_failed'
  | 'missing_handler'
  | 'cancelled'
  | 'unavailable'

export interface Failure {
  reason: FailureReason
  message: string
  /** Name of the error's class. */
  type?: string | undefined
  stack?: string | undefined
}

/** The beginning of an answer that is more than JSON. */
export interface AnswerHead {
  status?: number
  headers?: [string, string][]
}

/** What an HTTP trigger hands over beside the body. */
export interface HttpInput {
  method: string
  url: string
  headers: [string, string][]
  address?: string
}

export interface Call {
  requestId: string
  payload: Buffer
  http?: HttpInput | undefined
  traceparent?: string | undefined
  timeoutMs: number
  attempt: number
  /** Called before the first piece of an answer that is no plain JSON. */
  onHead?: ((head: AnswerHead) => void) | undefined
  onChunk?: ((piece: Buffer) => void) | undefined
  /** What is known of a step, and keeping what it came to. */
  step?: ((asked: { name: string; value?: unknown; done?: boolean }) => Promise<object>) | undefined
}

export type Outcome =
  /** As JSON; undefined where it went through `onHead` and `onChunk`. */
  { ok: true; result: Buffer | undefined } | { ok: false; failure: Failure }

export interface Finished {
  outcome: Outcome
  /** What the function wrote, bounded. */
  log: string
  bytesOut: number
}
