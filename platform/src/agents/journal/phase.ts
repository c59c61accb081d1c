import type { Entry } from './entry.ts'
import { aside } from './thread.ts'

/** What an agent does at a moment: it takes in, thinks of what to do, does it, or looks back at what it did. */
export const phases = ['perception', 'planning', 'action', 'reflection'] as const
export type Phase = (typeof phases)[number]

const ofTypes: Partial<Record<Entry['type'], Phase>> = {
  'run.started': 'perception',
  'message.added': 'perception',
  'thread.opened': 'perception',
  'mcp.listed': 'perception',
  'tool.ended': 'perception',
  'approval.answered': 'perception',
  'sandbox.observed': 'perception',
  'graph.node_ended': 'perception',
  'model.asked': 'planning',
  'model.answered': 'planning',
  'model.failed': 'planning',
  'plan.made': 'planning',
  'call.inspected': 'action',
  'approval.requested': 'action',
  'tool.started': 'action',
  'plan.step_started': 'action',
  'graph.node_started': 'action',
  'plan.step_ended': 'reflection',
  'thread.compacted': 'reflection',
}

/** The phase that an entry belongs to; undefined for what keeps the run itself, such as `run.resumed` and snapshots. */
export function phaseOf({ type, data }: Entry): Phase | undefined {
  if ('thread' in data && Object.values(aside).some((prefix) => data.thread?.startsWith(prefix))) return 'reflection'
  return ofTypes[type]
}
