import { type ErrorCode, errorCodes, WarrenError } from '../../errors.ts'
import { problemOf } from '../problem.ts'
import { toBinary } from '../rpc/binary.ts'
import { toJson } from '../rpc/json.ts'
import { type RpcCode, RpcError } from '../rpc/rpc-error.ts'
import { Problem } from './messages.ts'

const rpcCodes: Record<ErrorCode, RpcCode> = {
  invalid_request: 'invalid_argument',
  unauthenticated: 'unauthenticated',
  forbidden: 'permission_denied',
  not_found: 'not_found',
  conflict: 'failed_precondition',
  too_large: 'resource_exhausted',
  limit_exceeded: 'resource_exhausted',
  internal: 'internal',
  function_failed: 'internal',
  unavailable: 'unavailable',
  timeout: 'deadline_exceeded',
}

/** Our words for what the protocol itself refuses. */
const ours: Partial<Record<RpcCode, ErrorCode>> = {
  deadline_exceeded: 'timeout',
  resource_exhausted: 'too_large',
}

/** `error` as callers see it: its code in the words of the protocol, the problem of the REST API in the details; and its status there. */
export function refusalOf(error: unknown, requestId: string): { refusal: RpcError; status: number } {
  const known =
    error instanceof RpcError ? new WarrenError(ours[error.code] ?? 'invalid_request', error.message) : error
  const { status, body } = problemOf(known, requestId)
  const code = error instanceof RpcError ? error.code : rpcCodes[body.code]
  const { details, ...rest } = body
  const problem = { ...rest, ...(details ? { detailsJson: JSON.stringify(details) } : {}) }
  const bytes = toBinary(Problem, problem)
  const detail = { type: 'warren.v1.Problem', bytes, json: toJson(Problem, problem) }
  return {
    refusal: new RpcError(code, body.message, detail),
    status: error instanceof RpcError ? errorCodes[body.code].status : status,
  }
}
