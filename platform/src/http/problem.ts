import { type Static, Type } from 'typebox'
import { type ErrorCode, errorCodes, statusOf, WarrenError } from '../errors.ts'
import { type Rate, rateHeaders } from './gateway/rate.ts'

/** The body of every answer that is an error. */
export const Problem = Type.Object(
  {
    code: Type.Enum(Object.keys(errorCodes) as ErrorCode[]),
    message: Type.String({ description: 'What failed, the rule and the value.' }),
    hint: Type.Optional(Type.String({ description: 'What to do about it.' })),
    details: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true })),
    requestId: Type.String({ description: 'Finds the request in the log.' }),
  },
  { $id: 'Problem' },
)
export type Problem = Static<typeof Problem>

/** What the caller gets to see of `error`. Of what is not one of ours nothing but the request id. */
export function problemOf(error: unknown, requestId: string): { status: number; body: Problem } {
  const known = error instanceof WarrenError ? error : fromFramework(error)
  if (!known) {
    return {
      status: 500,
      body: { code: 'internal', message: 'internal error', hint: 'The log has the cause.', requestId },
    }
  }
  const { code, message, hint, details } = known
  // An internal error of ours tells of our insides too.
  const shown = code === 'internal' ? 'internal error' : message
  return {
    status: statusOf(code),
    body: { code, message: shown, ...(hint ? { hint } : {}), ...(details ? { details } : {}), requestId },
  }
}

/** When a request that was refused for now may come again, in whole seconds; undefined where that would not help. */
function retryAfterOf(error: unknown): string | undefined {
  if (!(error instanceof WarrenError)) return undefined
  const { retryAfterSeconds = error.code === 'limit_exceeded' ? 1 : undefined } = error.details ?? {}
  return retryAfterSeconds === undefined ? undefined : String(retryAfterSeconds)
}

/** The same as headers, with the limit that was reached where there is one to name. */
export function retryHeadersOf(error: unknown): [string, string][] {
  const retryAfter = retryAfterOf(error)
  if (retryAfter === undefined) return []
  const rate = (error as WarrenError).details?.rate as Rate | undefined
  return [['retry-after', retryAfter], ...(rate ? rateHeaders(rate) : [])]
}

interface RawAnswer {
  writeHead(status: number, headers: Record<string, string | number>): unknown
  end(body: string): unknown
}

/** Answers with `error` on a raw response: nothing may have been sent yet. */
export function sendProblem(response: RawAnswer, error: unknown, requestId: string, status?: number): void {
  const problem = problemOf(error, requestId)
  const body = JSON.stringify(problem.body)
  response.writeHead(status ?? problem.status, {
    ...Object.fromEntries(retryHeadersOf(error)),
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
  })
  response.end(body)
}

/** Fastify's own refusals: they carry a status of 400 to 499 and a text for the caller. */
function fromFramework(error: unknown): WarrenError | undefined {
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string }
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return undefined
  const text = message ?? 'the request was refused'
  if (statusCode === 413) return new WarrenError('too_large', 'the body is larger than the 1 MiB that is accepted here')
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new WarrenError('invalid_request', 'the body must be JSON', {
      hint: 'Send "Content-Type: application/json".',
    })
  }
  return new WarrenError('invalid_request', text.charAt(0).toLowerCase() + text.slice(1))
}
