import { authorize, type Permission } from '../../accounts/roles.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { AuditEntry } from '../../audit/entry.ts'
import { detailsOf, toldFirst } from '../audit-trail.ts'
import { goneStatus } from '../client-gone.ts'
import { problemOf } from '../problem.ts'
import type { RpcCall } from './call.ts'

/** What a method has in common with its route of the REST API: the same permission, the same verb in the audit log. */
export interface Rule<I = unknown, O = unknown> {
  permission: Permission
  audit?: string
  /** Changes nothing that anybody could see. */
  reads?: boolean
  /** What it is done to; of what is made, see `made`. */
  subject?: (input: I) => string
  made?: (output: O) => string | undefined
}

/** Calls `run` for callers that may, and records it. */
export function guarded<I, O>(
  audit: AuditLog,
  rule: Rule<I, O>,
  run: (call: RpcCall, input: I) => Promise<O>,
): (call: RpcCall, input: I) => Promise<O> {
  return async (call, input) => {
    const record = begin(audit, rule, call, input)
    try {
      const output = await run(call, input)
      record('done', 200, rule.made?.(output))
      return output
    } catch (error) {
      failed(record, error, call)
      throw error
    }
  }
}

/** As `guarded`, of what answers with a stream: recorded at its end, whoever brought that about. */
export function guardedStream<I, O>(
  audit: AuditLog,
  rule: Rule<I, O>,
  run: (call: RpcCall, input: I) => AsyncIterable<O>,
): (call: RpcCall, input: I) => AsyncIterable<O> {
  return async function* (call, input) {
    const record = begin(audit, rule, call, input)
    let isOpen = true
    try {
      yield* run(call, input)
      record('done', 200)
      isOpen = false
    } catch (error) {
      failed(record, error, call)
      isOpen = false
      throw error
    } finally {
      if (isOpen) record('failed', goneStatus)
    }
  }
}

type Tell = (outcome: AuditEntry['outcome'], status: number, made?: string) => void

function begin<I>(audit: AuditLog, rule: Rule<I, never>, call: RpcCall, input: I): Tell {
  const { account, principal, address, requestId } = call
  const { permission, audit: action, reads } = rule
  const entry = (made = ''): Omit<AuditEntry, 'outcome'> => ({
    at: Date.now(),
    ...{ actorKind: principal.kind, actor: principal.id, action: action!, address, requestId },
    subject: (rule.subject?.(input) || made).slice(0, 128),
    details: { ...detailsOf({ body: input }), via: 'grpc' },
  })
  const record: Tell = (outcome, status, made) => {
    if (action) audit.tell(account.id, { ...entry(made), outcome, status })
  }
  try {
    authorize(principal, permission)
  } catch (error) {
    failed(record, error, call)
    throw error
  }
  if (action && !reads && toldFirst.includes(permission)) audit.begin(account.id, { ...entry(), outcome: 'begun' })
  return record
}

function failed(record: Tell, error: unknown, { signal, requestId }: RpcCall): void {
  const status = signal.aborted ? goneStatus : problemOf(error, requestId).status
  record(signal.aborted || status >= 500 ? 'failed' : 'refused', status)
}
