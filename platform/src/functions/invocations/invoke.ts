import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import type { GoneSignal } from '../../lib/gone-signal.ts'
import { newId } from '../../lib/id.ts'
import { chooseVersion } from '../choose-version.ts'
import { most } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import { traceOfRequest } from './call-trace.ts'
import { checkPayload } from './check-payload.ts'
import { type Enqueue, enqueue } from './enqueue.ts'
import type { AnswerHead, Failure, HttpInput, TakePiece } from './invocation.ts'
import { describeFailure, runCall } from './run-call.ts'

export interface Invoke {
  payload: Buffer
  /** A version, an alias, or `latest`. */
  qualifier?: string | undefined
  http?: HttpInput | undefined
  traceparent?: string | undefined
  idempotency?: Enqueue['idempotency']
  /** An answer that is more than JSON. */
  onHead: (id: string, head: AnswerHead) => void
  onChunk: TakePiece
}

export interface Invoked {
  id: string
  version: number
  cold: boolean
  /** JSON; undefined when the answer went through `onHead` and `onChunk`. */
  result: Buffer | undefined
}

/** Calls a function and waits for what it answers. Throws `function_failed` or `timeout` with the reason where it fails. */
export async function invoke(
  deps: FunctionDeps,
  account: Account,
  name: string,
  input: Invoke,
  signal: GoneSignal,
): Promise<Invoked> {
  checkPayload(input.payload, most.payloadBytes)
  const known = await deps.store.get(account.id, name)
  const version = chooseVersion(known, input.qualifier)
  if (input.idempotency) return invokeOnce(deps, account, name, input, signal)
  deps.mayStart(account.id)

  const id = newId('c')
  const { payload, http, onHead, onChunk } = input
  const call = {
    payload,
    http,
    traceparent: traceOfRequest(input.traceparent),
    onHead: (head: AnswerHead) => onHead(id, head),
    onChunk,
  }
  const given = {
    record: known.record,
    version,
    id,
    trigger: 'http' as const,
    attempt: 1,
    createdAt: Date.now(),
    call,
    signal,
  }
  const { finished, ended } = await runCall(deps, given).catch((error) => {
    if (error instanceof WarrenError && error.code === 'limit_exceeded') deps.counters.throttled(known.record)
    throw error
  })
  await deps.recorder.add(ended)
  const { outcome } = finished
  if (!outcome.ok) throw failed(id, outcome.failure)
  return { id, version: version.version, cold: ended.cold, result: outcome.result }
}

/** Through the queue: the first call with a key is made, and whoever repeats it gets what it came to. */
async function invokeOnce(
  deps: FunctionDeps,
  account: Account,
  name: string,
  input: Invoke,
  signal: GoneSignal,
): Promise<Invoked> {
  const { payload, http, qualifier, idempotency, traceparent, onHead, onChunk } = input
  const { id } = await enqueue(deps, account, name, {
    payload,
    http,
    qualifier,
    idempotency,
    traceparent,
    trigger: 'http',
    retries: 0,
  })
  const invocation = await deps.dispatcher.outcome(account.id, id, signal)
  const { version, cold = false, error, head, result = Buffer.alloc(0) } = invocation
  if (error) throw failed(id, error)
  if (!head) return { id, version, cold, result: invocation.result ?? Buffer.from('null') }
  onHead(id, head)
  void onChunk(result)
  return { id, version, cold, result: undefined }
}

function failed(id: string, failure: Failure): WarrenError {
  const { reason, type, stack } = failure
  const details = {
    invocation: id,
    reason,
    ...(type === undefined ? {} : { type }),
    ...(stack === undefined ? {} : { stack }),
  }
  const message = describeFailure(failure)
  if (reason === 'bad_json') return new WarrenError('invalid_request', message, { details })
  if (reason === 'timeout')
    return new WarrenError('timeout', message, {
      details,
      hint: 'Raise timeoutSeconds of the function, or call it asynchronously.',
    })
  return new WarrenError('function_failed', message, {
    details,
    hint: `Its log: warren fn logs, or GET /v1/functions/NAME/invocations/${id}`,
  })
}
