import type { FastifyReply } from 'fastify'
import type { AnswerHead } from '../functions/invocations/invocation.ts'

/** Headers of an answer that are the connection's. */
const ownHeaders = /^(connection|keep-alive|transfer-encoding|upgrade|content-length|trailer|te|proxy-.*)$/i

/** What an answer is sent by: node's, or that of a plain connection. */
export interface CallResponse {
  statusCode: number
  readonly headersSent: boolean
  readonly destroyed: boolean
  setHeader(name: string, value: string | number): unknown
  appendHeader(name: string, value: string): unknown
  writeHead(status: number, headers?: Record<string, string | number>): unknown
  flushHeaders(): void
  write(piece: Buffer): unknown
  end(body?: string | Buffer): unknown
  end(body: string, encoding: 'latin1'): unknown
  destroy(): unknown
}

/** An answer of a function that comes in pieces, past fastify. */
export class FunctionAnswer {
  readonly #raw: CallResponse
  readonly #reply: FastifyReply | undefined
  begun = false

  /** Of a route with its reply, whose headers go along. */
  constructor(raw: CallResponse, reply?: FastifyReply) {
    this.#raw = raw
    this.#reply = reply
  }

  begin(id: string, { status = 200, headers = [] }: AnswerHead): void {
    this.begun = true
    const raw = this.#raw
    this.#reply?.hijack()
    for (const [name, value] of Object.entries(this.#reply?.getHeaders() ?? {}))
      if (value !== undefined) raw.setHeader(name, value as string)
    raw.setHeader('x-warren-invocation', id)
    for (const [name, value] of headers) {
      if (ownHeaders.test(name)) continue
      try {
        raw.appendHeader(name, value)
      } catch {
        // A name or a value that HTTP does not have.
      }
    }
    raw.writeHead(status)
    raw.flushHeaders()
  }

  write(piece: Buffer): void {
    if (!this.#raw.destroyed) this.#raw.write(piece)
  }

  /** After the first piece a failure can only be told by breaking off. */
  fail(error: unknown): undefined {
    if (!this.begun) throw error
    this.#raw.destroy()
  }

  end(): void {
    if (!this.#raw.destroyed) this.#raw.end()
  }
}
