import type { Api } from '../message.ts'
import type { ModelRequest } from '../model.ts'
import type { JsonObject } from './json.ts'
import type { MessageBuilder } from './message-builder.ts'

/** How one API is spoken: from our request to its body, and from its answer to our message. Pure: no network, no clock. */
export interface Wire {
  readonly api: Api
  readonly defaultBaseUrl: string
  /** The address of one request. */
  url(baseUrl: string, model: string, stream: boolean): string
  headers(key?: string): Record<string, string>
  /** Strict: only what the API documents, and a history it accepts, whatever is in `request`. */
  writeRequest(request: ModelRequest, to: { model: string; stream: boolean }): JsonObject
  /** The reverse, for recorded requests. Lenient: what is not known is kept as `extra` or as vendor parts. */
  readRequest(body: JsonObject): RecordedRequest
  newReader(message: MessageBuilder): AnswerReader
}

export interface RecordedRequest {
  model: string
  stream: boolean
  request: ModelRequest
}

/** Reads the documents of one answer into a message. Takes a whole answer as it takes one event. */
export interface AnswerReader {
  take(document: JsonObject, event?: string): void
  /** The last event has come: nothing of worth follows. */
  readonly complete: boolean
}
