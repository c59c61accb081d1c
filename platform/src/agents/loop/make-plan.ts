import { Type } from 'typebox'
import type { FunctionTool } from '../../models/model.ts'
import type { RunEnd } from '../journal/entry.ts'
import type { Tool } from '../tools/tool.ts'
import { callFault } from '../tools/validate-call.ts'
import { askModel } from './ask-model.ts'
import { type PlannedStep, PlanStep, planFault } from './plan.ts'
import type { Running } from './running.ts'

const mostReminders = 3

const planTool: Tool & FunctionTool = {
  name: 'make_plan',
  description: 'States the plan: steps in an order in which they can be done, each after those whose results it needs.',
  inputSchema: {
    type: 'object',
    properties: { steps: Type.Array(PlanStep, { minItems: 1, maxItems: 64 }) },
    required: ['steps'],
    additionalProperties: false,
  },
  effect: 'read',
  handler: async () => '',
}
const known = new Map([[planTool.name, planTool]])

/** Has the planner make a plan, or another one after `failed`. Answers with the end of the run where there is none. */
export async function makePlan(run: Running, failed: PlannedStep | undefined): Promise<RunEnd | undefined> {
  const { recorder } = run
  const { state } = recorder
  const version = state.plan?.version ?? 0
  const thread = `plan:${version + 1}`
  if (!state.threads.has(thread))
    recorder.record({ type: 'thread.opened', data: { thread, system: instructions(run), text: taskText(run, failed) } })
  const conversation = state.threads.get(thread)!
  for (let reminders = 0; ; ) {
    for (const { call } of [...conversation.open.values()].filter(({ ended }) => !ended)) {
      const fault = callFault(known, call)
      const steps = (call.arguments.steps ?? []) as PlanStep[]
      const text = fault?.text ?? planFault(steps) ?? 'The plan is taken.'
      const isTaken = text === 'The plan is taken.' && (state.plan?.version ?? 0) === version
      if (isTaken)
        recorder.record({ type: 'plan.made', data: { steps, ...(failed?.result && { reason: failed.result }) } })
      const data = {
        thread,
        step: state.steps,
        call: call.id,
        tool: call.name,
        ms: 0,
        attempts: 1,
        effect: 'read' as const,
      }
      const error = fault?.error ?? (isTaken ? undefined : 'invalid_arguments')
      recorder.record({
        type: 'tool.ended',
        data: { ...data, status: error ? 'failed' : 'done', text, ...(error && { error }) },
      })
    }
    if ((state.plan?.version ?? 0) > version) return undefined
    if (run.signal.aborted) return { reason: 'cancelled' }
    const last = conversation.messages.at(-1)
    if (last?.role === 'assistant' && last.stopReason !== 'paused') {
      if (reminders++ >= mostReminders) return { reason: 'plan_failed', message: 'the planner made no plan' }
      recorder.record({
        type: 'message.added',
        data: { thread, mode: 'steer', text: 'Call make_plan with the steps.' },
      })
    }
    const end = await askModel(run, {
      thread,
      which: 'planner',
      tools: [planTool],
      toolChoice: { name: planTool.name },
    })
    if (end) return end
  }
}

function instructions({ tools }: Running): string {
  const list = [...tools.values()].map(({ name, description }) => `- ${name}: ${description}`).join('\n')
  return `You plan how a task is done; others do the steps. They have these tools:\n${list || '- none'}\nPlan as few steps as possible. Mark a step with approval where a human should agree first.`
}

function taskText({ recorder: { state } }: Running, failed: PlannedStep | undefined): string {
  const { input, lessons } = state.started
  if (!failed) return lessons ? `${input}\n\n${lessons}` : input
  const steps = state.plan!.steps.map(
    ({ id, task, status, result }) => `${id} (${status}): ${task}${result ? ` → ${result.slice(0, 1000)}` : ''}`,
  )
  return `${state.started.input}\n\nThe plan so far, in which ${failed.id} failed:\n${steps.join('\n')}\n\nWhat is done stays done. Plan the rest anew, with other ids.`
}
