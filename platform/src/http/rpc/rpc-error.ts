import { type ErrorCode, WarrenError } from '../../errors.ts'

/** The codes of Connect, with the HTTP status of a unary answer. */
export const rpcStatus = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
} as const
export type RpcCode = keyof typeof rpcStatus

/** A message that says more of an error, in each of the forms in which it is sent. */
export interface RpcDetail {
  /** Its name, with the package. */
  type: string
  bytes: Buffer
  json: object
}

/** A refusal in the words of the contract. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: RpcCode
  readonly detail: RpcDetail | undefined

  constructor(code: RpcCode, message: string, detail?: RpcDetail) {
    super(message)
    this.code = code
    this.detail = detail
  }
}

const codes: Record<ErrorCode, RpcCode> = {
  invalid_request: 'invalid_argument',
  unauthenticated: 'unauthenticated',
  forbidden: 'permission_denied',
  not_found: 'not_found',
  conflict: 'already_exists',
  too_large: 'resource_exhausted',
  limit_exceeded: 'resource_exhausted',
  internal: 'internal',
  function_failed: 'internal',
  unavailable: 'unavailable',
  timeout: 'deadline_exceeded',
}

/** What the caller gets to see of `error`; of what is not one of ours nothing. */
export function rpcErrorOf(error: unknown): RpcError {
  if (error instanceof RpcError) return error
  if (error instanceof WarrenError && error.code !== 'internal') return new RpcError(codes[error.code], error.message)
  return new RpcError('internal', 'internal error')
}
