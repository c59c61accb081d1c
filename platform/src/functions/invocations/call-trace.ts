import { begin, takesSpans } from '../../telemetry/spans.ts'
import { continueTrace, currentTrace, headerOf, isRecorded, newTrace } from '../../telemetry/trace-context.ts'
import type { FunctionRecord, FunctionVersion } from '../function.ts'
import type { Failure } from './invocation.ts'
import type { Trigger } from './record.ts'

interface Traced {
  id: string
  record: Pick<FunctionRecord, 'name' | 'accountId'>
  version: Pick<FunctionVersion, 'version'>
  trigger: Trigger
  attempt: number
}

/** The part of a trace that an attempt of a call is. */
export interface CallTrace {
  /** For the code of the function, and for what it calls. */
  traceparent: string
  ended(end: { cold: boolean; failure: Failure | undefined }): void
}

/**
 * A part of what `traceparent` names, else a trace of its own, recorded where spans are taken: so the code of a function always has
 * one to pass on. What the caller runs in is not looked at: a call of the queue runs in what has woken the queue.
 */
export function traceCall(
  { id, record, version, trigger, attempt }: Traced,
  traceparent: string | undefined,
): CallTrace {
  const context = continueTrace(traceparent) ?? newTrace({ recorded: takesSpans() })
  const header = headerOf(context)
  if (!takesSpans() || !isRecorded(context)) return { traceparent: header, ended: () => {} }
  const attributes = {
    ...{ 'faas.invoked_name': record.name, 'faas.version': String(version.version), 'faas.invocation_id': id },
    ...{ 'faas.trigger': trigger, 'warren.attempt': attempt, user_id: record.accountId },
  }
  const end = begin(context, { name: `invoke ${record.name}`, kind: 'internal', attributes })
  return {
    traceparent: header,
    ended: ({ cold, failure }) => end({ attributes: { 'faas.coldstart': String(cold) }, failure: failure?.message }),
  }
}

/** What a call that comes by a request is a part of: of our part of the trace, where there is one. */
export function traceOfRequest(traceparent: string | undefined): string | undefined {
  const context = currentTrace()
  return context ? headerOf(context) : traceparent
}
