import { type Message, textOf } from '../../models/message.ts'
import { scriptedName } from '../../models/scripted.ts'
import { defaultContextTokens } from '../agent.ts'
import type { RunEnd } from '../journal/entry.ts'
import { summaryPrefix } from '../journal/run-state.ts'
import { accountRoom, compact, toSummarise } from '../memory/compact.ts'
import { tokensOf } from '../memory/count-tokens.ts'
import { recordOf, summaryInstructions } from '../memory/summary.ts'
import { askModel } from './ask-model.ts'
import { interruptionOf } from './interruption.ts'
import type { Running } from './running.ts'

/** Of what a conversation may take, what the record takes that a model summarises, and at most. */
const recordPart = 0.6
const mostRecordTokens = 60_000

/**
 * Once before each question: what is too long becomes shorter, or stays as it is. Where much of it is to go, a model writes what
 * matters of that, in a conversation of its own; where it cannot, the account of itself is made of lines. Answers with the end of the
 * run where the model may not be asked any more.
 */
export async function makeRoom(run: Running, thread: string): Promise<RunEnd | undefined> {
  const { recorder } = run
  const { messages, mostTokens = Number.POSITIVE_INFINITY } = recorder.state.threads.get(thread)!
  const { contextTokens: said = defaultContextTokens } = recorder.state.started.spec.memory ?? {}
  const contextTokens = Math.min(said, mostTokens)
  const part = asksModel(run) ? toSummarise(messages, contextTokens) : undefined
  const summarised = part ? await summarise(run, { thread, part, contextTokens }) : {}
  if ('end' in summarised) return summarised.end
  // Nobody has answered, and it goes on with something else first.
  if (part && (run.signal.aborted || interruptionOf(run, thread).aborted)) return undefined
  const { summary } = summarised
  const found = compact(messages, contextTokens, summary)
  if (!found) return undefined
  const after = [...messages.slice(0, found.from), ...found.messages, ...messages.slice(found.to)]
  const sizes = { tokensBefore: tokensOf(messages), tokensAfter: tokensOf(after) }
  const by = summary === undefined ? {} : { summarised: true as const }
  recorder.record({ type: 'thread.compacted', data: { thread, ...found, ...sizes, ...by } })
  return undefined
}

/** A script answers what it was written for, so it is asked only where its agent says so. */
function asksModel(run: Running): boolean {
  const { summaries } = run.recorder.state.started.spec.memory ?? {}
  return (summaries ?? (run.models('main').model.name === scriptedName ? 'lines' : 'model')) === 'model'
}

interface Summarised {
  thread: string
  part: { from: number; older: readonly Message[] }
  contextTokens: number
}

/** What matters of `part`, by the small model; nothing where it has failed, declined or said nothing. */
async function summarise(
  run: Running,
  { thread, part: { from, older }, contextTokens }: Summarised,
): Promise<{ summary?: string } | { end: RunEnd }> {
  const { recorder } = run
  const { threads } = recorder.state
  // What was added since an earlier attempt is not in its summary, which is for those messages alone.
  const own = `${summaryPrefix(thread)}${threads.get(thread)!.compactions + 1}:${from}-${from + older.length}`
  if (!threads.has(own)) {
    const system = summaryInstructions(Math.floor(accountRoom(contextTokens)))
    const text = recordOf(older, Math.min(mostRecordTokens, Math.floor(recordPart * contextTokens)))
    recorder.record({ type: 'thread.opened', data: { thread: own, system, text } })
  }
  const answerOf = () => {
    const last = threads.get(own)!.messages.at(-1)
    return last?.role === 'assistant' ? last : undefined
  }
  // It may have come before the process that asked was killed.
  if (!answerOf()) {
    const end = await askModel(run, { thread: own, which: 'planner', tools: [] })
    // Without a summary it goes on; for the main question the model may be there again.
    if (end && end.reason !== 'model_failed') return { end }
  }
  const answer = answerOf()
  const isWhole = answer?.stopReason === 'end' || answer?.stopReason === 'stop_sequence'
  const summary = answer && isWhole ? textOf(answer).trim() : ''
  return summary ? { summary } : {}
}
