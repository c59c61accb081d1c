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
  | 'refused'

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
  /** Which route led here, such as `GET /orders/{id}`, and what its parameters are. */
  route?: { key: string; params: Record<string, string> }
}

/** A call that a function makes of another one. */
export interface AskedCall {
  /** Names it among those of its call: the same one in each attempt. */
  key: string
  function: string
  /** A version, an alias, or `latest`. */
  version: string | undefined
  payload: Buffer
}

/** Resolves when the one who asked has taken the answer. */
export type AnswerAsked = (answer: AskedAnswer) => Promise<void>
export type AskedAnswer =
  | { id: string; result: Buffer; head: AnswerHead | undefined }
  | { id?: string; failure: Failure }

/** Takes a piece of an answer. Where whoever reads it is slower, what comes back resolves when they have read all of it, or have gone. */
export type TakePiece = (piece: Buffer) => Promise<void> | undefined

export interface Call {
  requestId: string
  payload: Buffer
  http?: HttpInput | undefined
  traceparent?: string | undefined
  timeoutMs: number
  attempt: number
  /** Called before the first piece of an answer that is no plain JSON. */
  onHead?: ((head: AnswerHead) => void) | undefined
  onChunk?: TakePiece | undefined
  /** Told all that it has written so far, when there is more. */
  onLog?: ((log: string) => void) | undefined
  /** After so long a call that does nothing but wait for others may be suspended: it is made again when they have ended. */
  suspendAfterMs?: number | undefined
  /** Calls another function, resolves when that is sure to be made, and answers when it has ended. */
  ask?: ((asked: AskedCall, answer: AnswerAsked) => Promise<void>) | undefined
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
  /** It has not ended: it waits for calls that it made, without an instance. */
  suspended?: boolean
}
