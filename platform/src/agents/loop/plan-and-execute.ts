import { imagesOf } from '../images/image.ts'
import type { RunEnd } from '../journal/entry.ts'
import type { RunState } from '../journal/run-state.ts'
import { isGenuineAnswer, signRequest } from '../safety/approval.ts'
import { makePlan } from './make-plan.ts'
import { nextStep, type Plan, type PlannedStep } from './plan.ts'
import { react } from './react.ts'
import type { Running, Turn } from './running.ts'

/** How often a step is tried, and how often a plan is made anew. */
const mostAttempts = 2
const mostPlans = 3
/** What ends a step, and not the run: another attempt may do better. */
const ofStep = new Set(['no_progress', 'invalid_calls', 'output_limit', 'refused'])

/**
 * Plans first, then does one step after the other, each in a conversation of its own that knows the results it needs. A step that
 * fails is tried again alone; then the plan is made anew, and what was done stays done.
 */
export async function planAndExecute(run: Running): Promise<Turn> {
  const { recorder } = run
  const { state } = recorder
  for (;;) {
    if (state.threads.has('main')) return react(run, 'main')
    if (run.signal.aborted) return { type: 'end', end: { reason: 'cancelled' } }
    const failed = state.plan?.steps.find(({ status, attempts }) => status === 'failed' && attempts >= mostAttempts)
    if (!state.plan || failed) {
      if (state.plan && state.plan.version >= mostPlans) return { type: 'end', end: planFailed(failed!) }
      const end = await makePlan(run, failed)
      if (end) return { type: 'end', end }
      continue
    }
    const step = nextStep(state.plan)
    if (!step) {
      const text = `${state.started.input}\n\nThis was done for it, step by step:\n\n${resultsOf(state.plan.steps)}\n\nAnswer now, from these results.`
      recorder.record({
        type: 'thread.opened',
        data: { thread: 'main', system: state.started.spec.instructions ?? '', text, ...imagesOf(state) },
      })
      continue
    }
    const turn = await perform(run, state.plan, step)
    if (turn) return turn
  }
}

/** Does one step. Answers only where the run cannot go on with the next. */
async function perform(run: Running, plan: Plan, step: PlannedStep): Promise<Turn | undefined> {
  const { recorder } = run
  const { state } = recorder
  const refused = step.approval ? approvalOf(run, state, step) : undefined
  if (refused === 'asked') return { type: 'wait', for: 'approval' }
  if (refused === 'denied')
    return { type: 'end', end: { reason: 'plan_failed', message: `a human has refused step ${step.id}` } }

  if (step.status !== 'running')
    recorder.record({ type: 'plan.step_started', data: { id: step.id, attempt: step.attempts + 1 } })
  const thread = `step:${plan.version}:${step.id}:${step.attempts}`
  if (!state.threads.has(thread))
    recorder.record({
      type: 'thread.opened',
      data: {
        ...{ thread, system: state.started.spec.instructions ?? '', text: textFor(state, plan, step) },
        ...imagesOf(state),
      },
    })
  const turn = await react(run, thread)
  if (turn.type === 'wait') return turn
  if (turn.type === 'end' && !ofStep.has(turn.end.reason)) return turn
  const result = turn.type === 'answer' ? turn.text : `${turn.end.reason}: ${turn.end.message ?? ''}`
  const isDone = turn.type === 'answer' && !/^\s*FAILED:/.test(turn.text)
  const since = step.since ?? { at: run.now(), usage: state.usage }
  const usage = {
    inputTokens: state.usage.inputTokens - since.usage.inputTokens,
    outputTokens: state.usage.outputTokens - since.usage.outputTokens,
    cachedInputTokens: state.usage.cachedInputTokens - since.usage.cachedInputTokens,
    usd: state.usage.usd - since.usage.usd,
  }
  const ms = run.now() - since.at
  recorder.record({
    type: 'plan.step_ended',
    data: { id: step.id, status: isDone ? 'done' : 'failed', result, ms, usage },
  })
  await recorder.flush()
  return undefined
}

function approvalOf(run: Running, state: RunState, step: PlannedStep): 'asked' | 'denied' | undefined {
  // A plan that is made anew may have another step of that name: what was approved is this task after these steps.
  const wanted = { task: step.task, after: step.after ?? [] }
  for (const request of state.approvals.values()) {
    if (request.kind !== 'plan_step' || request.call !== step.id || !request.answer) continue
    if (!isGenuineAnswer(run, { ...request, arguments: wanted }, request.answer)) continue
    return request.answer.decision === 'approve' ? undefined : 'denied'
  }
  const request = { id: run.newId(), kind: 'plan_step' as const, thread: 'plan', step: state.steps, call: step.id }
  run.recorder.record({
    type: 'approval.requested',
    data: signRequest(run, { ...request, text: step.task, arguments: wanted }),
  })
  return 'asked'
}

function textFor({ started }: RunState, { steps }: Plan, step: PlannedStep): string {
  const needed = steps.filter(({ id, status }) => status === 'done' && step.after?.includes(id))
  const known = needed.length > 0 ? `\n\nResults that you may use:\n\n${resultsOf(needed)}` : ''
  const again = step.result && step.attempts > 1 ? `\n\nAn earlier attempt failed: ${step.result}` : ''
  return `You do one step of a larger task. Answer with its result alone. If it cannot be done, answer with FAILED: and the reason.

The whole task: ${started.input}${known}

Your step: ${step.task}${again}`
}

function resultsOf(steps: readonly PlannedStep[]): string {
  return steps.map(({ id, task, result = '' }) => `${id}: ${task}\n${result}`).join('\n\n')
}

function planFailed({ id, result }: PlannedStep): RunEnd {
  return { reason: 'plan_failed', message: `step ${id} failed, and ${mostPlans} plans were made: ${result ?? ''}` }
}
