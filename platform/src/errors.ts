/** Every code an error of Warren can carry, with its HTTP status and what it tells the caller. */
export const errorCodes = {
  invalid_request: {
    status: 400,
    meaning: 'The request cannot be understood or breaks a rule; sending it again will not help.',
  },
  unauthenticated: { status: 401, meaning: 'No key was sent, or the key is not known.' },
  forbidden: { status: 403, meaning: 'The key or the user inside the sandbox may not do this.' },
  not_found: { status: 404, meaning: 'The thing does not exist, or belongs to somebody else.' },
  conflict: { status: 409, meaning: 'The thing exists already or is in a state that does not allow this.' },
  too_large: { status: 413, meaning: 'The body is larger than what is accepted here.' },
  limit_exceeded: {
    status: 429,
    meaning: 'A quota, a rate or the capacity of this host is used up; try again later or ask for less.',
  },
  internal: { status: 500, meaning: 'Something broke on our side; the request id finds it in the log.' },
  function_failed: {
    status: 502,
    meaning:
      'The code of a function came to no result; `details.reason` says why: it threw, exited, ran out of memory.',
  },
  unavailable: { status: 503, meaning: 'A part that is needed cannot be reached, or no runtime qualifies.' },
  timeout: { status: 504, meaning: 'It took longer than allowed.' },
} as const satisfies Record<string, { status: number; meaning: string }>

export type ErrorCode = keyof typeof errorCodes

interface WarrenErrorOptions {
  /** What the reader can do about it. */
  hint?: string
  /** Values that a program can read. Shown to the caller: nothing secret. */
  details?: Record<string, unknown>
  /** What happened underneath. Logged, never shown. */
  cause?: unknown
}

/** The one error of Warren. The message says what failed, the rule and the value; it is shown to the caller. */
export class WarrenError extends Error {
  override readonly name = 'WarrenError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, options: WarrenErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details
  }
}

/** The HTTP status that goes with `code`. */
export function statusOf(code: ErrorCode): number {
  return errorCodes[code].status
}
