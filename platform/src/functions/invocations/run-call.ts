import type { GoneSignal } from '../../lib/gone-signal.ts'
import type { FunctionRecord, FunctionVersion } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import { traceCall } from './call-trace.ts'
import type { Call, Failure, Finished } from './invocation.ts'
import type { EndedCall, Trigger } from './record.ts'
import { type CallTree, SubCalls } from './sub-calls.ts'

export interface Given {
  record: FunctionRecord
  version: FunctionVersion
  id: string
  trigger: Trigger
  attempt: number
  /** Attempts that went on with what an earlier one had begun. */
  resumptions?: number
  /** Where it is among calls of calls. */
  tree?: CallTree | undefined
  /** Unix milliseconds. */
  createdAt: number
  call: Pick<Call, 'payload' | 'http' | 'traceparent' | 'onHead' | 'onChunk' | 'step' | 'suspendAfterMs'>
  /** Aborted when nobody waits for the answer any more. */
  signal?: GoneSignal | undefined
  /** Whether it waits where its organisation makes as many calls as it may, instead of being refused. */
  waits?: boolean
}

/** Gives a call to an instance and waits for its end. Throws only where no instance could be had. Records nothing. */
export async function runCall(deps: FunctionDeps, given: Given): Promise<{ finished: Finished; ended: EndedCall }> {
  const { record, version, id, signal } = given
  const attempt = given.attempt - (given.resumptions ?? 0)
  const trace = traceCall({ ...given, attempt }, given.call.traceparent)
  const { settings } = version
  const leave = await deps.calls.take(record.accountId, { waits: given.waits ?? false })
  deps.demand.called(record.id)
  const group = deps.fleet.of(record, version)
  const member = await group.acquire(signal).catch((error) => {
    leave()
    throw error
  })
  const startedAt = Date.now()
  const began = performance.now()
  const cold = member.isCold && member.taken === 1
  let subCalls: SubCalls | undefined
  const onAbort = () => member.worker.cancel(id)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const timeoutMs = settings.timeoutSeconds * 1000
    const { payload, http, onHead, onChunk, step, suspendAfterMs } = given.call
    const call: Call = {
      requestId: id,
      payload,
      http,
      traceparent: trace.traceparent,
      timeoutMs,
      attempt,
      onHead,
      onChunk,
      step,
      suspendAfterMs,
      onLog: (log) => deps.logs.wrote(record.id, { id, version: version.version }, log),
      ask: (asked, answer) => {
        subCalls ??= new SubCalls(deps, { ...given, call })
        return subCalls.ask(asked, answer)
      },
    }
    const finished = await member.worker.invoke(call)
    const ms = performance.now() - began
    deps.demand.measured(record.id, { callMs: ms })
    if (!finished.suspended) deps.counters.count(record, { finished, cold, ms })
    const { outcome, log, bytesOut } = finished
    const ended: EndedCall = {
      id,
      accountId: record.accountId,
      functionId: record.id,
      functionName: record.name,
      version: version.version,
      trigger: given.trigger,
      attempt: given.attempt,
      createdAt: given.createdAt,
      startedAt,
      endedAt: startedAt + Math.max(0, Math.round(ms)),
      billedMs: Math.max(1, Math.ceil(ms)),
      memoryMb: settings.memoryMb,
      cold,
      bytesIn: payload.length,
      bytesOut,
      log,
      ...(outcome.ok ? {} : { failure: outcome.failure }),
    }
    deps.times.ended(ended, member.worker.time)
    trace.ended({ cold, failure: ended.failure })
    return { finished, ended }
  } finally {
    subCalls?.close()
    signal?.removeEventListener('abort', onAbort)
    group.release(member)
    leave()
  }
}

/** As a caller is told of it. */
export function describeFailure({ reason, message, type }: Failure): string {
  return reason === 'error' ? `the function threw ${type ?? 'an error'}: ${message}` : message
}
