import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Codec } from './codec.ts'
import type { RpcError } from './rpc-error.ts'

/** How one call is written on its connection. Nothing is said after `end` or `fail`. */
export interface Wire {
  readonly codec: Codec
  readonly timeoutMs: number | undefined
  /** The messages of the request, as they come. */
  messages(): AsyncIterable<Buffer>
  /** Resolves when there is room for more. */
  send(message: Buffer): Promise<void>
  end(): void
  fail(error: RpcError): void
}

/** What of a request is looked at. */
export type Asked = Pick<IncomingMessage, 'headers' | 'httpVersionMajor' | 'iterator'>

export interface Exchange {
  request: Asked
  response: ServerResponse
}
