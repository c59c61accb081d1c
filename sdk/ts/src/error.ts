/** Every code an error can carry. The same as the server's, each with its HTTP status. */
export const errorStatus = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  limit_exceeded: 429,
  internal: 500,
  function_failed: 502,
  unavailable: 503,
  timeout: 504,
} as const

export type ErrorCode = keyof typeof errorStatus

interface WarrenErrorOptions {
  hint?: string | undefined
  requestId?: string | undefined
  status?: number | undefined
  details?: Record<string, unknown> | undefined
  cause?: unknown
}

/** The one error of this SDK. `code` says what to do about it; the message and the hint are for people. */
export class WarrenError extends Error {
  override readonly name = 'WarrenError'
  readonly code: ErrorCode
  /** What the caller can do about it. */
  readonly hint: string | undefined
  /** Finds the request in the server's log. */
  readonly requestId: string | undefined
  /** HTTP status of the answer; undefined when there was no answer. */
  readonly status: number | undefined
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, options: WarrenErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.requestId = options.requestId
    this.status = options.status
    this.details = options.details
  }
}

/** The error that an answer with a failure status carries, whatever wrote it: the server or a proxy before it. */
export async function errorFromResponse(response: Response): Promise<WarrenError> {
  const { status } = response
  const text = await response.text().catch(() => '')
  const body = parseBody(text)
  return new WarrenError(
    knownCode(body.code) ?? codeOfStatus(status),
    body.message ?? `HTTP ${status} ${excerpt(text)}`.trim(),
    {
      hint: body.hint,
      requestId: body.requestId ?? response.headers.get('x-request-id') ?? undefined,
      details: body.details,
      status,
    },
  )
}

/** The error that an `error` event in a stream carries. */
export function errorFromEvent(data: unknown): WarrenError {
  const body = asErrorBody(data)
  return new WarrenError(knownCode(body.code) ?? 'internal', body.message ?? 'the stream ended with an error', body)
}

interface ErrorBody {
  code?: string
  message?: string
  hint?: string
  requestId?: string
  details?: Record<string, unknown>
}

function parseBody(text: string): ErrorBody {
  try {
    return asErrorBody(JSON.parse(text))
  } catch {
    return {}
  }
}

function asErrorBody(value: unknown): ErrorBody {
  return typeof value === 'object' && value !== null ? (value as ErrorBody) : {}
}

function knownCode(code: unknown): ErrorCode | undefined {
  return typeof code === 'string' && code in errorStatus ? (code as ErrorCode) : undefined
}

/** Of an answer that Warren did not write: a proxy's 502 says nothing of a function. */
function codeOfStatus(status: number): ErrorCode {
  if (status === errorStatus.function_failed) return 'unavailable'
  const match = Object.entries(errorStatus).find(([, value]) => value === status)
  if (match) return match[0] as ErrorCode
  return status >= 500 ? 'unavailable' : 'invalid_request'
}

function excerpt(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
