import { setTimeout as sleep } from 'node:timers/promises'
import type { GoneSignal } from '../../lib/gone-signal.ts'
import { newId } from '../../lib/id.ts'
import { lacksRoom } from '../../lib/quota-exceeded.ts'
import { step } from '../../lib/step.ts'
import { most } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import type { KnownFunction } from '../store.ts'
import { storableJson } from '../worker/payloads.ts'
import type { AnswerHead, Failure, Finished, HttpInput } from './invocation.ts'
import { findInvocation, type Invocation } from './invocations.ts'
import { KeptAnswer } from './kept-answer.ts'
import type { EndedCall, Follow, Trigger } from './record.ts'
import { runCall } from './run-call.ts'
import { stepsOf } from './steps.ts'

/** A call that waited and is to be made now. */
interface Leased {
  id: string
  account_id: string
  function_id: string
  version: number
  trigger: Trigger
  payload: Buffer | null
  http: HttpInput | null
  attempt: number
  retry: { retries?: number; traceparent?: string } | null
  created_at: Date
  parent_id: string | null
  root_id: string | null
  depth: number
  resumptions: number
}

/** A function for whose instances so many calls wait gets no more of them. */
const mostWaiting = 16
/** Calls from the queue that are under way at the same time. */
const mostRunning = 256
/** What became due without anybody telling us, by a retry or another platform, is seen so late, milliseconds. */
const lookMs = 500
/** Whoever runs a call longer than its limit and this is taken for dead, seconds. */
const graceSeconds = 60
const pollMs = 200
/** Where its organisation may not have another instance, a call waits so long, milliseconds. */
const noRoomMs = 1000
const longestPauseSeconds = 3600
/** Replaying a call costs more than waiting for what is soon there, milliseconds. */
const suspendAfterMs = 1000

/** Makes the calls that wait in the queue. At least once each: what was running when the platform died is made again. */
export class Dispatcher {
  readonly #deps: FunctionDeps
  readonly #runner: string
  readonly #running = new Map<string, Promise<void>>()
  readonly #perFunction = new Map<string, number>()
  readonly #waiters = new Map<string, Set<(ended: EndedCall) => void>>()
  #leasing = false
  #again = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: FunctionDeps, runner: string) {
    this.#deps = deps
    this.#runner = runner
  }

  /** Takes up what an earlier process of this platform was in the middle of. */
  async open(): Promise<void> {
    await step('function.take_up', this.#runner, () =>
      this.#deps.db.pool.query(
        `update function_invocations set state = 'waiting', due_at = now(), runner = null where state = 'running' and runner = $1`,
        [this.#runner],
      ),
    )
    this.#timer = setInterval(() => this.wake(), lookMs).unref()
    this.wake()
  }

  /** Something is due. */
  wake(): void {
    if (this.#closed) return
    this.#again = true
    if (!this.#leasing) void this.#lease()
  }

  /** Waits until a call has ended, and answers what it came to. */
  async outcome(
    accountId: string,
    id: string,
    signal: GoneSignal,
  ): Promise<Pick<Invocation, 'version' | 'error' | 'result' | 'head' | 'cold'>> {
    const { promise, resolve } = Promise.withResolvers<EndedCall>()
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters.add(resolve))
    try {
      for (;;) {
        const invocation = await findInvocation(this.#deps, accountId, id)
        if (invocation.state === 'succeeded' || invocation.state === 'failed') return invocation
        if (signal.aborted) throw signal.reason
        // Another platform may run it.
        const ended = await Promise.race([promise, sleep(pollMs, undefined, { ref: false })])
        if (!ended) continue
        const { version, failure, result, head, cold } = ended
        return {
          version,
          cold,
          head,
          error: failure,
          result: result === undefined ? undefined : Buffer.from(result, 'base64'),
        }
      }
    } finally {
      waiters.delete(resolve)
      if (waiters.size === 0) this.#waiters.delete(id)
    }
  }

  /** The end of a call lasts. */
  ended(call: EndedCall): void {
    if (call.queued?.retryAt === undefined && !call.queued?.suspended)
      for (const resolve of this.#waiters.get(call.id) ?? []) resolve(call)
  }

  /** The database has the ends of these. */
  recorded(calls: readonly EndedCall[]): void {
    for (const { queued } of calls) {
      if (queued?.parent !== undefined) this.#deps.subCalls.get(queued.parent)?.look()
      if (queued?.follow || queued?.suspended || queued?.parent) this.wake()
      if (queued?.retryAt !== undefined) setTimeout(() => this.wake(), queued.retryAt - Date.now() + 1).unref()
    }
  }

  /** Makes no further calls and waits for those under way for so long; the rest is made again by the next process. */
  async close(patienceMs: number): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await Promise.race([Promise.allSettled(this.#running.values()), sleep(patienceMs, undefined, { ref: false })])
  }

  async #lease(): Promise<void> {
    this.#leasing = true
    try {
      while (this.#again && !this.#closed) {
        this.#again = false
        const room = mostRunning - this.#running.size
        if (room <= 0) break
        // The rest is for others, however many calls of one function or organisation are due.
        const calls = await this.#take(Math.ceil(room / 4))
        for (const call of calls) this.#start(call)
        if (calls.length > 0) this.#again = true
      }
    } catch (error) {
      if (!this.#closed)
        this.#deps.logger.warn({ err: error }, 'waiting calls of functions could not be read; it is tried again')
    } finally {
      this.#leasing = false
    }
  }

  /**
   * Marks what is due as ours. Calls of a function or an organisation with as many under way as it may have stay where they
   * are, and so do those of one that has spent what it wants to at most, and those of a function for whose instances others wait already: a place here is not for waiting.
   */
  async #take(limit: number): Promise<Leased[]> {
    const busy = [...this.#perFunction].filter(([, count]) => count >= mostRunning / 2).map(([id]) => id)
    busy.push(...this.#deps.fleet.waitedFor(mostWaiting), ...this.#deps.fleet.withoutRoom)
    const statement = {
      name: 'function-lease',
      text: `update function_invocations as call set state = 'running', attempt = attempt + 1,
          resumptions = resumptions + (state = 'suspended')::int, runner = $2, started_at = now(),
          due_at = now() + make_interval(secs => $3)
        where id in (
          select id from function_invocations where state in ('waiting', 'running', 'suspended') and due_at <= now() and function_id <> all($4) and account_id <> all($5) and id <> all($6)
          order by due_at limit $1 for update skip locked)
        returning id, account_id, function_id, version, trigger, payload, http, attempt, retry, created_at,
          parent_id, root_id, depth, resumptions`,
      values: [
        limit,
        this.#runner,
        most.timeoutSeconds + graceSeconds,
        busy,
        [...this.#deps.calls.full, ...this.#deps.stopped()],
        // One that had to wait long for an instance is not made a second time beside itself.
        [...this.#running.keys()],
      ],
    }
    return (await step('function.lease', this.#runner, () => this.#deps.db.pool.query<Leased>(statement))).rows
  }

  #start(call: Leased): void {
    const { id, function_id } = call
    this.#perFunction.set(function_id, (this.#perFunction.get(function_id) ?? 0) + 1)
    const running = this.#run(call)
      .catch((error) => this.#deps.logger.error({ err: error, invocation: id }, 'a call could not be made'))
      .finally(() => {
        this.#running.delete(id)
        const left = this.#perFunction.get(function_id)! - 1
        if (left > 0) this.#perFunction.set(function_id, left)
        else this.#perFunction.delete(function_id)
        if (!this.#again) this.wake()
      })
    this.#running.set(id, running)
  }

  async #run(leased: Leased): Promise<void> {
    const deps = this.#deps
    const known = await deps.store.byId(leased.function_id)
    const version = known?.versions.get(leased.version)
    if (!known || !version) return this.#record(leased, known, missing())
    const answer = new KeptAnswer(most.keptBytes)
    const call = {
      payload: leased.payload ?? Buffer.alloc(0),
      http: leased.http ?? undefined,
      traceparent: leased.retry?.traceparent,
      onHead: (head: AnswerHead) => answer.begin(head),
      onChunk: (piece: Buffer) => void answer.add(piece),
      step: stepsOf(deps.db, leased.id),
      suspendAfterMs,
    }
    const given = {
      record: known.record,
      version,
      id: leased.id,
      trigger: leased.trigger,
      attempt: leased.attempt,
      resumptions: leased.resumptions,
      tree: { rootId: leased.root_id ?? leased.id, depth: leased.depth },
      waits: true,
      call,
    }
    let done: { finished: Finished; ended: EndedCall }
    try {
      done = await runCall(deps, { ...given, createdAt: leased.created_at.getTime() })
    } catch (error) {
      if (this.#closed) return
      if (lacksRoom(error)) return this.#putBack(leased)
      const failure: Failure = {
        reason: 'unavailable',
        message: error instanceof Error ? error.message : String(error),
      }
      return this.#record(leased, known, failure)
    }
    // What we end ourselves is made again.
    if (this.#closed && !done.finished.outcome.ok && done.finished.outcome.failure.reason === 'unavailable') return
    if (done.finished.suspended) return this.#suspend(leased, known, done.ended)
    const { outcome } = done.finished
    if (!outcome.ok) return this.#record(leased, known, outcome.failure, done.ended)
    if (outcome.result) answer.add(outcome.result)
    if (answer.bytes > most.keptBytes) {
      const message = `the answer has ${answer.bytes} bytes, over the ${most.keptBytes} that are kept of a call from the queue`
      return this.#record(leased, known, { reason: 'response_too_large', message }, done.ended)
    }
    await this.#record(leased, known, undefined, done.ended, answer)
  }

  /** It waits on, as if nobody had tried: its organisation may not have another instance now. */
  async #putBack({ id }: Leased): Promise<void> {
    const statement = {
      name: 'function-put-back',
      text: `update function_invocations set state = 'waiting', attempt = attempt - 1, runner = null, started_at = null,
          due_at = now() + make_interval(secs => $3)
        where id = $1 and runner = $2 and state = 'running'`,
      values: [id, this.#runner, noRoomMs / 1000],
    }
    await step('function.put_back', id, () => this.#deps.db.pool.query(statement))
  }

  /** Its instance is free for others; it is due again when all the calls that it made have ended. */
  #suspend(leased: Leased, known: KnownFunction, ended: EndedCall): Promise<void> {
    const message = `the call was suspended more than ${most.subCalls} times`
    if (leased.resumptions >= most.subCalls) return this.#record(leased, known, { reason: 'error', message }, ended)
    return this.#deps.recorder.add({ ...ended, queued: { suspended: true } })
  }

  #record(
    leased: Leased,
    known: KnownFunction | undefined,
    failure?: Failure,
    ended?: EndedCall,
    answer?: KeptAnswer,
  ): Promise<void> {
    const now = Date.now()
    const result = answer?.body
    const base = ended ?? notRun(leased, known, now)
    const { failure: _, ...rest } = base
    const retryAt = failure && known && this.#retryAt(leased, known, now)
    const follow = retryAt === undefined && known ? this.#follow(leased, known, { failure, result }) : undefined
    return this.#deps.recorder.add({
      ...rest,
      ...(failure ? { failure } : {}),
      ...(result ? { result: result.toString('base64') } : {}),
      ...(answer?.head ? { head: answer.head } : {}),
      queued: {
        ...(retryAt === undefined ? {} : { retryAt }),
        ...(follow ? { follow } : {}),
        ...(leased.parent_id === null ? {} : { parent: leased.parent_id }),
      },
    })
  }

  /** When a call that failed is made again; undefined when it is not. */
  #retryAt(
    { attempt, resumptions, version, retry, created_at }: Leased,
    { versions }: KnownFunction,
    now: number,
  ): number | undefined {
    const settings = versions.get(version)?.settings
    if (!settings) return undefined
    const { retries, retrySeconds, maxAgeSeconds } = settings
    const made = attempt - resumptions
    if (made > (retry?.retries ?? retries)) return undefined
    const pauseSeconds = Math.min(retrySeconds * 2 ** (made - 1), longestPauseSeconds) * (0.5 + this.#deps.random())
    const at = now + pauseSeconds * 1000
    return at > created_at.getTime() + maxAgeSeconds * 1000 ? undefined : Math.round(at)
  }

  #follow(
    leased: Leased,
    { record, versions }: KnownFunction,
    { failure, result }: { failure: Failure | undefined; result: Buffer | undefined },
  ): Follow | undefined {
    const settings = versions.get(leased.version)?.settings
    const destination = failure ? settings?.onFailure : settings?.onSuccess
    if (!destination) return undefined
    const payload = storableJson({
      invocation: leased.id,
      function: record.name,
      version: leased.version,
      attempts: leased.attempt - leased.resumptions,
      condition: failure ? 'failed' : 'succeeded',
      payload: jsonOf(leased.payload),
      ...(failure
        ? { error: { reason: failure.reason, message: failure.message, type: failure.type } }
        : { result: jsonOf(result) }),
    })
    const to = { accountId: record.accountId, payload, callId: newId('c') }
    return 'function' in destination ? { ...to, function: destination.function! } : { ...to, queue: destination.queue! }
  }
}

function missing(): Failure {
  return { reason: 'unavailable', message: 'the function or this version of it was deleted' }
}

function notRun(leased: Leased, known: KnownFunction | undefined, now: number): EndedCall {
  const { id, account_id: accountId, function_id: functionId, version, trigger, attempt, created_at, payload } = leased
  const createdAt = created_at.getTime()
  const times = { createdAt, startedAt: now, endedAt: now, billedMs: 0, memoryMb: 0 }
  const more = { cold: false, bytesIn: payload?.length ?? 0, bytesOut: 0, log: '' }
  return {
    id,
    accountId,
    functionId,
    functionName: known?.record.name ?? '',
    version,
    trigger,
    attempt,
    ...times,
    ...more,
  }
}

function jsonOf(bytes: Buffer | null | undefined): unknown {
  if (!bytes || bytes.length === 0) return null
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return bytes.toString('utf8')
  }
}
