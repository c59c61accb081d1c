import type { Transaction } from 'kysely'
import type { Event } from '../events/event.ts'
import { appendEvent } from '../events/outbox.ts'
import type { Tables } from '../storage/tables.ts'
import type { Entry, Fact } from './journal/entry.ts'
import type { Run } from './run.ts'

/*
 * What others hear of a run: where it is, why and what it has cost. What it was asked and has answered is for who looks at the run.
 * Each is told in the transaction that makes it so.
 */

/** What of a run they name. */
type Told = 'id' | 'accountId' | 'agent' | 'parentId'

type Ended = Extract<Event, { data: { steps: number } }>['type']

const endings = {
  done: 'run.completed',
  stopped: 'run.stopped',
  failed: 'run.failed',
  cancelled: 'run.cancelled',
} as const satisfies Record<string, Ended>

/** `history`: entries of another run that it goes on from. */
export function startedEvent(run: Run, history: readonly Entry[]): Event {
  const forked = history.findLast((entry) => entry.type === 'run.forked')
  const from = forked && { from: { run: forked.data.from } }
  return { type: 'run.started', ...about(run), data: { ...named(run), conversation: run.conversation, ...from } }
}

/** That it has ended or waits, by what it is now. */
export function settledEvent(run: Pick<Run, Told | 'state' | 'reason' | 'steps' | 'result' | 'usage'>): Event {
  const { state, reason, steps, result } = run
  if (state in endings) {
    const { inputTokens, outputTokens, cachedInputTokens, usd } = run.usage
    const usage = { inputTokens, outputTokens, cachedInputTokens, usd }
    const type = endings[state as keyof typeof endings]
    return { type, ...about(run), data: { ...named(run), reason: reason ?? 'internal', steps, usage } }
  }
  const approvals = result.approvals?.map(({ id, kind, tool }) => ({ id, kind, ...(tool && { tool }) }))
  const waits = { waitsFor: reason === 'message' ? ('message' as const) : ('approval' as const) }
  return { type: 'run.suspended', ...about(run), data: { ...named(run), ...waits, ...(approvals && { approvals }) } }
}

/** That what waited or had ended goes on: with `added` to its journal, else with a message that is there for it. Told by `tx`, which makes it so. */
export async function tellContinued(tx: Transaction<Tables>, run: Run, added: readonly Fact[] = []): Promise<Run> {
  const has = (wanted: Fact['type']) => added.some(({ type }) => type === wanted)
  const by = has('run.rolled_back') ? 'rollback' : has('approval.answered') ? 'answer' : 'message'
  await appendEvent(tx, { type: 'run.continued', ...about(run), data: { ...named(run), by } })
  return run
}

function about({ id, accountId }: Pick<Run, Told>): Pick<Event, 'accountId' | 'subject'> {
  return { accountId, subject: id }
}

function named({ agent, parentId }: Pick<Run, Told>): { agent: string; parent?: string } {
  return { agent, ...(parentId !== undefined && { parent: parentId }) }
}
