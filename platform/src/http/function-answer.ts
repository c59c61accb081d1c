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
  /** False where what was written before is not read yet: then `drain` follows, or `close`. */
  write(piece: Buffer): boolean
  once(event: 'drain' | 'close', listener: () => void): unknown
  off(event: 'drain' | 'close', listener: () => void): unknown
  end(body?: string | Buffer): unknown
  end(body: string, encoding: 'latin1'): unknown
  destroy(): unknown
}

/** An answer of a function that comes in pieces, past fastify. */
export class FunctionAnswer {
  readonly #raw: CallResponse
  readonly #reply: FastifyReply | undefined
  begun = false
  #room: Promise<void> | undefined

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

  /** Answers with what resolves when the client has read all of it, or has gone, where it reads slower than it is written to. */
  write(piece: Buffer): Promise<void> | undefined {
    const raw = this.#raw
    if (raw.destroyed || raw.write(piece)) return undefined
    this.#room ??= new Promise((resolve) => {
      const onRoom = () => {
        raw.off('drain', onRoom)
        raw.off('close', onRoom)
        this.#room = undefined
        resolve()
      }
      raw.once('drain', onRoom)
      raw.once('close', onRoom)
    })
    return this.#room
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
