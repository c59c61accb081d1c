import { type AssistantMessage, textOf, toolCallsOf } from '../../models/message.ts'
import type { RunEnd } from '../journal/entry.ts'
import { executeCalls } from '../tools/execute-calls.ts'
import { type Asking, askModel } from './ask-model.ts'
import { makeRoom } from './make-room.ts'
import type { Running, Turn } from './running.ts'
import { takeMessages } from './take-messages.ts'

/**
 * Thinks and acts in turn until the model answers without calling a tool. What is next is read from the state alone, so it goes on
 * rightly wherever an earlier process was interrupted.
 */
export async function react(run: Running, thread: string, asking: Omit<Asking, 'thread'> = {}): Promise<Turn> {
  const { recorder } = run
  const conversation = recorder.state.threads.get(thread)!
  for (;;) {
    if (conversation.open.size > 0) {
      if (await executeCalls(run, { thread, step: conversation.step })) return { type: 'wait', for: 'approval' }
    }
    if (run.signal.aborted) return { type: 'end', end: { reason: 'cancelled' } }
    if (thread === 'main') await takeMessages(run, ['steer', 'interrupt'])

    const last = conversation.messages.at(-1)
    if (last?.role === 'assistant' && last.stopReason !== 'paused') {
      const refused = unfinished(last)
      if (refused) return { type: 'end', end: refused }
      return { type: 'answer', text: textOf(last) }
    }
    const { mostTokens } = conversation
    const end = (await makeRoom(run, thread)) ?? (await askModel(run, { thread, ...asking }))
    if (end && !(await isShorter(run, thread, mostTokens))) return { type: 'end', end }
  }
}

/** Whether a conversation that was refused for its length just now has become shorter: only then is it asked again, so that it ends. */
async function isShorter(run: Running, thread: string, before: number | undefined): Promise<boolean> {
  const conversation = run.recorder.state.threads.get(thread)!
  if (conversation.mostTokens === before || run.signal.aborted) return false
  const { compactions } = conversation
  return (await makeRoom(run, thread)) === undefined && conversation.compactions > compactions
}

/** An answer that is none. One that was cut off by a limit and has calls in it is dealt with by their results. */
function unfinished(message: AssistantMessage): RunEnd | undefined {
  if (message.stopReason === 'refusal')
    return { reason: 'refused', message: 'the model declines', output: textOf(message) }
  if (message.stopReason === 'length' && toolCallsOf(message).length === 0)
    return { reason: 'output_limit', message: 'the answer was cut off at the limit of tokens', output: textOf(message) }
  return undefined
}
