import { Type } from 'typebox'
import type { FunctionTool } from '../../models/model.ts'
import { imagesOf } from '../images/image.ts'
import type { RunEnd } from '../journal/entry.ts'
import type { Tool } from '../tools/tool.ts'
import { askForCall } from './ask-for-call.ts'
import { type PlannedStep, PlanStep, planFault } from './plan.ts'
import type { Running } from './running.ts'

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

/** Has the planner make a plan, or another one after `failed`. Answers with the end of the run where there is none. */
export async function makePlan(run: Running, failed: PlannedStep | undefined): Promise<RunEnd | undefined> {
  const { recorder } = run
  const { state } = recorder
  const version = state.plan?.version ?? 0
  const thread = `plan:${version + 1}`
  if (!state.threads.has(thread))
    recorder.record({
      type: 'thread.opened',
      data: { thread, system: instructions(run), text: taskText(run, failed), ...imagesOf(state) },
    })
  const isDone = () => (state.plan?.version ?? 0) > version
  const end = await askForCall(run, {
    thread,
    tool: planTool,
    reminder: 'Call make_plan with the steps.',
    isDone,
    take: (args) => {
      const steps = (args.steps ?? []) as PlanStep[]
      const fault = planFault(
        steps,
        state.plan?.steps.filter(({ status }) => status === 'done'),
      )
      if (!fault && !isDone())
        recorder.record({ type: 'plan.made', data: { steps, ...(failed?.result && { reason: failed.result }) } })
      else return { text: fault ?? 'The plan is taken.', isTaken: false }
      return { text: 'The plan is taken.', isTaken: true }
    },
  })
  return end === 'never' ? { reason: 'plan_failed', message: 'the planner made no plan' } : end
}

function instructions({ tools }: Running): string {
  const told = [...tools.values()].filter(({ deferred }) => !deferred)
  const list = told.map(({ name, description }) => `- ${name}: ${description}`).join('\n')
  return `You plan how a task is done; others do the steps. They have these tools:\n${list || '- none'}\nPlan as few steps as possible. Mark a step with approval where a human should agree first.`
}

function taskText({ recorder: { state } }: Running, failed: PlannedStep | undefined): string {
  const { input, lessons } = state.started
  if (!failed) return lessons ? `${input}\n\n${lessons}` : input
  const steps = state.plan!.steps.map(
    ({ id, task, status, result }) => `${id} (${status}): ${task}${result ? ` → ${result.slice(0, 1000)}` : ''}`,
  )
  return `${state.started.input}\n\nThe plan so far, in which ${failed.id} failed:\n${steps.join('\n')}\n\nWhat is done stays done, and others may need it. Plan the rest anew, with other ids.`
}
