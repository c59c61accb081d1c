import type { Inspected } from '../../kernel/hazards/hazard.ts'
import type { OpenCall } from '../journal/thread.ts'
import type { Running } from '../loop/running.ts'
import type { CallPlace } from './prepare-call.ts'
import { toolsOf } from './tools-of.ts'
import { callFault } from './validate-call.ts'

/** Looks through the code and the paths of a call that is about to be made, and writes down what was found. */
export async function inspectCall(run: Running, place: CallPlace, one: OpenCall): Promise<void> {
  const { call, findings } = one
  const { recorder, tools } = run
  const inspected = tools.get(call.name)?.inspected
  if (!inspected || findings) return
  if (callFault(toolsOf(run, recorder.state.threads.get(place.thread)!), call)) return
  const found = await run.inspect([...leftBefore(run), ...inspected(call.arguments as never)])
  if (found.length === 0) return
  recorder.record({ type: 'call.inspected', data: { ...place, call: call.id, tool: call.name, findings: found } })
}

/** What earlier calls have left in the sandbox, the oldest first. */
function leftBefore({ recorder, tools }: Running): Inspected[] {
  return recorder.state.acted.flatMap(({ name, arguments: args }) => tools.get(name)?.leaves?.(args as never) ?? [])
}
