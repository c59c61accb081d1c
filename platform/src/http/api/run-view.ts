import { type Static, Type } from 'typebox'
import type { Entry } from '../../agents/journal/entry.ts'
import { phaseOf, phases } from '../../agents/journal/phase.ts'
import { type Run, RunView } from '../../agents/run.ts'
import { event, failureEvent, named } from './schema.ts'

export const EntryView = Type.Object(
  {
    seq: Type.Integer({ description: 'Rises by one from entry to entry.' }),
    at: Type.String({ format: 'date-time' }),
    type: Type.String({ description: 'Such as model.answered or tool.ended.' }),
    phase: Type.Optional(
      Type.Enum([...phases], {
        description: 'What the agent does there. Absent for what keeps the run itself, such as snapshots.',
      }),
    ),
    data: Type.Record(Type.String(), Type.Unknown()),
  },
  { $id: 'RunEntry' },
)

export const RunEvent = Type.Union(
  [
    event('entry', named(EntryView), 'Something happened. It may come before it is on the disk.'),
    event(
      'delta',
      Type.Object({ thread: Type.String(), type: Type.Enum(['text', 'reasoning']), text: Type.String() }),
      'A piece of what the model is saying. Of no more worth once its answer is there.',
    ),
    event('run', named(RunView), 'It has ended, or waits. Nothing follows.'),
    failureEvent,
  ],
  { $id: 'RunEvent', description: 'One event of a run: the name of its `event` line and the JSON of its `data` line.' },
)

export function entryView(entry: Entry): Static<typeof EntryView> {
  const { seq, at, type, data } = entry
  const phase = phaseOf(entry)
  return { seq, at: new Date(at).toISOString(), type, ...(phase && { phase }), data: data as Record<string, unknown> }
}

export function runView(run: Run): Static<typeof RunView> {
  const { id, agent, conversation, state, reason, result, steps, usage, parentId, heartbeatAt, createdAt, endedAt } =
    run
  const { inputTokens, outputTokens, cachedInputTokens, usd, estimated } = usage
  const { output, message, approvals } = result
  return {
    ...{ runId: id, agent, conversation, state },
    ...(reason && { reason }),
    ...(output !== undefined && { output }),
    ...(message && { message }),
    ...(approvals && { approvals }),
    steps,
    usage: { inputTokens, outputTokens, cachedInputTokens, usd, ...(estimated && { estimated }) },
    ...(parentId && { parent: parentId }),
    ...(heartbeatAt && { heartbeatAt: heartbeatAt.toISOString() }),
    createdAt: createdAt.toISOString(),
    ...(endedAt && { endedAt: endedAt.toISOString() }),
  }
}
