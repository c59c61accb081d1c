import type { ApprovalRequest } from '../journal/entry.ts'
import type { RunState } from '../journal/run-state.ts'
import { cacheKey, type OpenCall } from '../journal/thread.ts'
import { stopOf } from '../loop/interruption.ts'
import type { Running } from '../loop/running.ts'
import { inspectCall } from './inspect-call.ts'
import { type CallPlace, prepareCall, requestFor } from './prepare-call.ts'
import { type Resource, ResourceLocks } from './resource-locks.ts'
import { keyOf, runTool } from './run-tool.ts'
import { Semaphore } from './semaphore.ts'
import type { Tool } from './tool.ts'
import { isEmpty, type Observed } from './watch-sandbox.ts'

/*
 * The life of a tool call. Where it is, is read from the journal.
 *
 *   validating ──▶ scheduled ─────────────────────▶ running ──▶ done | failed | cancelled | interrupted
 *       │   │          ▲       (what it uses and a                     │
 *       │   │          │ approve  place are free)                      ▼ the process was killed, or the connection broke
 *       │   └──▶ awaiting_approval ──▶ denied              read, idempotent: running again
 *       ▼              ▲                                   once: awaiting_approval, for nobody knows
 *     failed           └───────────────────────────────────────────────┘
 */

/** Calls of one answer that run at the same time; the runs of a process are bounded too. */
const mostAtOnce = 8
/** A model decides how many calls its answer holds. Those beyond are told that they are too many. */
const mostCalls = 128
const mostQuestionChars = 2000

/**
 * Gives each open call of a step its result. Answers true where a human has to be asked first: all that could be done has been done
 * by then, and the questions are recorded. Rejects only where the journal cannot be written.
 */
export async function executeCalls(run: Running, place: CallPlace): Promise<boolean> {
  const { recorder, signal } = run
  const { open } = recorder.state.threads.get(place.thread)!
  const stop = stopOf(run, place.thread)
  const locks = new ResourceLocks()
  const places = new Semaphore(mostAtOnce)
  const asked: Asked[] = []
  const scheduled: Promise<Asked | undefined>[] = []
  let changedDisk = false

  for (const [index, one] of [...open.values()].entries()) {
    if (one.ended) continue
    if (stop.aborted) {
      endUnrun(run, place, one, notBegun(signal.aborted))
      continue
    }
    const then = run.replayed?.(place, one.call)
    if (then && (then.status === 'cancelled' || then.status === 'interrupted')) {
      endUnrun(run, place, one, then)
      continue
    }
    if (index >= mostCalls) {
      const text = `Not called: an answer may hold ${mostCalls} calls. Make the others in your next one.`
      endUnrun(run, place, one, { status: 'failed', error: 'too_many_calls', text })
      continue
    }
    if (run.tools.get(one.call.name)?.inspected) await inspectCall(run, place, one)
    if (stop.aborted) {
      endUnrun(run, place, one, notBegun(signal.aborted))
      continue
    }
    const prepared = prepareCall(run, place, one)
    if (prepared.next === 'end') endUnrun(run, place, one, prepared)
    else if (prepared.next === 'ask') asked.push({ one, request: prepared.request })
    else {
      if (prepared.tool.changesDisk) changedDisk = true
      scheduled.push(execute(run, place, { one, tool: prepared.tool, locks, places, stop }))
    }
  }
  // None is left alone by the failure of another: what they did has to be written down.
  const outcomes = await Promise.allSettled(scheduled)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') throw outcome.reason
    if (outcome.value) asked.push(outcome.value)
  }
  // Others may have gone on since the call was made, and the disk is as they left it.
  if (changedDisk) run.checkpoint(recorder.state.steps)
  // Without it the results go to the disk together with the next question to the model.
  if (asked.length === 0) return false
  // Nobody waits for the answers any more.
  if (stop.aborted) for (const { one, unknown } of asked) endUnrun(run, place, one, unknown ?? notBegun(signal.aborted))
  else
    for (const { request } of asked)
      if (!isAsked(recorder.state, request)) recorder.record({ type: 'approval.requested', data: request })
  return !stop.aborted
}

/** Of several that were asked about at once one was answered, and the others are open still. */
function isAsked({ approvals }: RunState, { kind, thread, step, call }: ApprovalRequest): boolean {
  return [...approvals.values()].some(
    (one) => !one.answer && one.kind === kind && one.thread === thread && one.step === step && one.call === call,
  )
}

/** A call that waits for a human, and what it comes to if none is asked. */
interface Asked {
  one: OpenCall
  request: ApprovalRequest
  unknown?: { status: 'unknown'; text: string; error?: string }
}

function notBegun(isCancelled: boolean) {
  const status = isCancelled ? ('cancelled' as const) : ('interrupted' as const)
  return { status, text: 'It was cancelled before it began.' }
}

interface Scheduled {
  one: OpenCall
  tool: Tool
  locks: ResourceLocks
  places: Semaphore
  stop: AbortSignal
}

/** Answers with what a human has to be asked where it must not happen twice and nobody knows whether it did. */
async function execute(
  run: Running,
  place: CallPlace,
  { one, tool, locks, places, stop }: Scheduled,
): Promise<Asked | undefined> {
  const { recorder } = run
  const { state } = recorder
  const { call, isNode } = one
  const cached = isCached(tool) ? recorder.state.cache.get(cacheKey(one)) : undefined
  if (cached !== undefined) {
    endUnrun(run, place, one, { status: 'done', text: cached, cached: true })
    return undefined
  }

  const unlock = await locks.acquire(resourcesOf(tool, call.arguments))
  // Second, so that none has a place and waits for what another one without a place holds.
  const leave = await places.acquire()
  try {
    if (stop.aborted) {
      endUnrun(run, place, one, notBegun(true))
      return undefined
    }
    const attempt = (one.started?.attempt ?? 0) + 1
    const key = keyOf(run.id, place, one)
    const { effect, name } = tool
    recorder.record({ type: 'tool.started', data: { ...place, call: call.id, tool: name, effect, key, attempt } })
    await recorder.flush(effect !== 'read')
    const then = run.replayed?.(place, call)
    let isOver = false
    // One that was left behind may be told of something when the run goes on already.
    const observed = (seen: Observed) => {
      if (isOver || isEmpty(seen)) return
      recorder.record({ type: 'sandbox.observed', data: { ...place, call: call.id, tool: name, ...seen } })
    }
    const watched = state.started.spec.monitor === false ? {} : { observed }
    const given = { tool, call, key, stop, isNode, ...watched }
    const ended = then && !(tool.pure && !then.isChanged) ? then : await runTool(run, given)
    isOver = true
    if (then?.usage) run.pot.take(then.usage)
    if (!then && ended.status === 'unknown' && !stop.aborted) {
      const { text, error } = ended
      const question = `${text.slice(0, mostQuestionChars)} It must not happen twice. Did it happen?`
      const request = requestFor(run, place, call, { kind: 'unknown_outcome', text: question })
      return { one, request, unknown: { status: 'unknown', text, ...(error && { error }) } }
    }
    recorder.record({
      type: 'tool.ended',
      data: { ...place, call: call.id, tool: name, effect, ...factOf(ended), attempts: ended.attempts + attempt - 1 },
    })
    return undefined
  } finally {
    leave()
    unlock()
  }
}

function factOf({ isChanged: _, ...ended }: Awaited<ReturnType<typeof runTool>> & { isChanged?: boolean }) {
  return ended
}

function endUnrun(
  run: Running,
  place: CallPlace,
  { call, started }: OpenCall,
  given: {
    status: 'done' | 'failed' | 'cancelled' | 'interrupted' | 'unknown' | 'denied'
    text: string
    error?: string
    cached?: boolean
  },
): void {
  const effect = run.tools.get(call.name)?.effect ?? 'read'
  const data = { ...place, call: call.id, tool: call.name, effect, ms: 0, attempts: started?.attempt ?? 0 }
  // What was cancelled after it had begun elsewhere may have happened.
  const isStopped = given.status === 'cancelled' || given.status === 'interrupted'
  const status = started && isStopped && effect === 'once' ? 'unknown' : given.status
  const { text, error, cached } = given
  run.recorder.record({
    type: 'tool.ended',
    data: { ...data, status, text, ...(error && { error }), ...(cached && { cached }) },
  })
}

function isCached({ effect, cacheable, pure }: Tool): boolean {
  return effect === 'read' && (cacheable ?? pure ?? false)
}

/** What a call needs for itself alone. */
function resourcesOf({ name, effect, resources }: Tool, args: unknown): Resource[] {
  if (resources) return resources(args as never)
  return effect === 'read' ? [] : [`tool:${name}`]
}
