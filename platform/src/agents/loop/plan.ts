import { type Static, Type } from 'typebox'
import type { Cost } from '../journal/entry.ts'

/** One step of a plan, as the planner writes it. */
export const PlanStep = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 64 }),
    task: Type.String({
      minLength: 1,
      maxLength: 10_000,
      description: 'What to do, so that it can be done without asking back.',
    }),
    after: Type.Optional(
      Type.Array(Type.String(), { maxItems: 64, description: 'Ids of the steps whose results it needs.' }),
    ),
    approval: Type.Optional(Type.Boolean({ description: 'Ask a human before it begins.' })),
  },
  { additionalProperties: false },
)
export type PlanStep = Static<typeof PlanStep>

export interface Plan {
  steps: PlannedStep[]
  /** How often it was made anew. */
  version: number
}

/** A step and what became of it. */
export interface PlannedStep extends PlanStep {
  status: 'pending' | 'running' | 'done' | 'failed'
  attempts: number
  /** When the attempt that runs began, and what the run had used by then. */
  since?: { at: number; usage: Cost }
  result?: string
  ms: number
  usage: Cost
}

/** Why these steps are no plan; undefined where they are one. `done`: what stays of the plan before. */
export function planFault(steps: readonly PlanStep[], done: readonly PlanStep[] = []): string | undefined {
  if (steps.length === 0) return 'a plan has one step or more'
  const repeated = steps.find(({ id, task }) => done.some((one) => one.id === id && one.task !== task))
  if (repeated) return `step "${repeated.id}" is done and stays so; what else is to be done needs another id`
  const before = new Set(done.map(({ id }) => id))
  const ids = new Set<string>()
  for (const { id, after = [] } of steps) {
    if (ids.has(id)) return `two steps have the id "${id}"`
    const missing = after.find((needed) => !ids.has(needed) && !before.has(needed))
    // Each step after those that it needs: so there are no circles.
    if (missing !== undefined) return `step "${id}" needs "${missing}", which is no step before it`
    ids.add(id)
  }
  return undefined
}

/** The first step that can begin. */
export function nextStep({ steps }: Plan): PlannedStep | undefined {
  const done = new Set(steps.filter(({ status }) => status === 'done').map(({ id }) => id))
  return steps.find(({ status, after = [] }) => status !== 'done' && after.every((id) => done.has(id)))
}
