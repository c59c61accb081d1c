import type { FunctionTool } from '../../models/model.ts'
import type { RunEnd } from '../journal/entry.ts'
import type { Tool } from '../tools/tool.ts'
import { callFault } from '../tools/validate-call.ts'
import { askModel } from './ask-model.ts'
import type { Running } from './running.ts'

const mostReminders = 3

export interface WantedCall {
  thread: string
  /** What it is to call; its handler is never asked. */
  tool: Tool & FunctionTool
  reminder: string
  isDone: () => boolean
  /** What becomes of a call whose arguments fit: taken, or why not. */
  take: (args: Record<string, unknown>) => { text: string; isTaken: boolean }
}

/** Has the model that plans call one tool, and tells it what is wrong until it does. Answers with the end of the run where it may not be asked; `never` where it does not call it. */
export async function askForCall(
  run: Running,
  { thread, tool, reminder, isDone, take }: WantedCall,
): Promise<RunEnd | 'never' | undefined> {
  const { recorder } = run
  const { state } = recorder
  const conversation = state.threads.get(thread)!
  const known = new Map([[tool.name, tool]])
  for (let reminders = 0; ; ) {
    for (const { call } of [...conversation.open.values()].filter(({ ended }) => !ended)) {
      const fault = callFault(known, call)
      const taken = fault ? { text: fault.text, isTaken: false } : take(call.arguments)
      const place = { thread, step: state.steps, call: call.id, tool: call.name }
      const error = fault?.error ?? (taken.isTaken ? undefined : 'invalid_arguments')
      const became = {
        status: error ? ('failed' as const) : ('done' as const),
        text: taken.text,
        ...(error && { error }),
      }
      recorder.record({ type: 'tool.ended', data: { ...place, ms: 0, attempts: 1, effect: 'read', ...became } })
    }
    if (isDone()) return undefined
    if (run.signal.aborted) return { reason: 'cancelled' }
    const last = conversation.messages.at(-1)
    if (last?.role === 'assistant' && last.stopReason !== 'paused') {
      if (reminders++ >= mostReminders) return 'never'
      recorder.record({ type: 'message.added', data: { thread, mode: 'steer', text: reminder } })
    }
    const end = await askModel(run, { thread, which: 'planner', tools: [tool], toolChoice: { name: tool.name } })
    if (end) return end
  }
}
