import { type ServerResponse, STATUS_CODES } from 'node:http'
import { WarrenError } from '../../errors.ts'
import { problemOf, retryHeadersOf } from '../problem.ts'

/** A refusal in the words of the contract: a JSON body with the status as its numeric `code`. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly body: { code: number; message: string } & Record<string, unknown>

  constructor(status: number, message: string, details: Record<string, unknown> = {}) {
    super(message)
    this.status = status
    this.body = { ...details, message, code: status }
  }
}

/** What the edge says in place of a sandbox that does not run: whether it was killed, never was, or is somebody's secret. */
export function sandboxNotFound(id: string): Refusal {
  return new Refusal(502, 'The sandbox was not found', { sandboxId: id.slice(0, 64) })
}

export function portNotOpen(id: string, port: number): Refusal {
  return new Refusal(502, 'The sandbox is running but port is not open', { sandboxId: id, port })
}

/** `error` as a refusal. What is not one of ours shows nothing but the request id. */
export function refusalOf(error: unknown, requestId: string): Refusal {
  if (error instanceof Refusal) return error
  const { status, body } = problemOf(error, requestId)
  if (body.code === 'internal') return new Refusal(status, `internal error (request ${requestId})`)
  const { guestCode } = (error instanceof WarrenError && error.details) || {}
  const text = body.hint ? `${body.message}. ${body.hint}` : body.message
  return new Refusal(guestCode === 'no_space' ? 507 : status, text)
}

export function sendRefusal(response: ServerResponse, error: unknown, requestId: string): void {
  if (response.headersSent) return void response.destroy()
  const { status, body } = refusalOf(error, requestId)
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'x-request-id': requestId,
    ...retryHeaders(error, status),
  })
  response.end(text)
}

/** Of a refusal with this status, whatever it was made of. */
export function retryHeaders(error: unknown, status: number): Record<string, string> {
  const headers = Object.fromEntries(retryHeadersOf(error))
  return status === 429 ? { 'retry-after': '1', ...headers } : headers
}

/** The words with which a WebSocket is refused. */
export function refusalText({ status, body }: Refusal, requestId: string): string {
  const text = JSON.stringify(body)
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: application/json; charset=utf-8\r\n` +
    `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\nx-request-id: ${requestId}\r\n\r\n${text}`
  )
}
