import { equalText } from '../../lib/equal-text.ts'
import type { ApprovalAnswer, ApprovalRequest } from '../journal/entry.ts'
import type { Running } from '../loop/running.ts'

type Signs = Pick<Running, 'id' | 'sign'>

/** Binds an approval to the very call that it is for: another one with other arguments is another request. */
export function signRequest(run: Signs, request: Omit<ApprovalRequest, 'signature'>): ApprovalRequest {
  return { ...request, signature: run.sign(requestText(run, request)) }
}

export function signAnswer(
  run: Signs,
  request: ApprovalRequest,
  answer: Omit<ApprovalAnswer, 'signature'>,
): ApprovalAnswer {
  return { ...answer, signature: run.sign(answerText(request, answer)) }
}

/** Whether the answer was given through this platform, to this request, and the request is for this call. */
export function isGenuineAnswer(run: Signs, request: ApprovalRequest, answer: ApprovalAnswer): boolean {
  return (
    equalText(request.signature, run.sign(requestText(run, request))) &&
    equalText(answer.signature, run.sign(answerText(request, answer)))
  )
}

function requestText(
  run: Signs,
  { id, kind, thread, step, call, tool, arguments: args, findings }: Omit<ApprovalRequest, 'signature'>,
): string {
  const parts = ['request', run.id, id, kind, thread, step, call ?? '', tool ?? '', sorted(args ?? {})]
  return JSON.stringify(findings ? [...parts, sorted(findings)] : parts)
}

/** A database gives the fields of an object back in an order of its own. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => [name, sorted(field)])
}

function answerText(
  { signature }: ApprovalRequest,
  { id, decision, text, by }: Omit<ApprovalAnswer, 'signature'>,
): string {
  return JSON.stringify(['answer', signature, id, decision, text ?? '', by])
}
