import type { ContextOutcome, GuestExecution } from '../../engine/guest/context-execution.ts'
import type { ContextResult } from '../../engine/guest/context-result.ts'
import { KeptOutput } from '../kept-output.ts'
import type { InContext, SandboxDeps } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'
import type { ExecuteInContext } from './context.ts'

/** How long after its time limit the code may still be ended from inside, milliseconds. */
const graceMs = 10_000

/** How much of what is shown an answer holds, bytes. */
const keptResultBytes = 16 * 1024 * 1024

export interface ContextExecution extends ContextOutcome {
  stdout: string
  stderr: string
  results: ContextResult[]
  truncated: boolean
}

/** Runs code in a context and waits for its end. Output beyond 8 MiB a stream and results beyond 16 MiB are read and dropped. */
export async function executeInContext(
  deps: SandboxDeps,
  subject: InContext,
  input: ExecuteInContext,
  signal: AbortSignal,
): Promise<ContextExecution> {
  const execution = await startInContext(deps, subject, input, signal)
  const kept = { stdout: new KeptOutput(), stderr: new KeptOutput() }
  const results: ContextResult[] = []
  let room = keptResultBytes
  for await (const event of execution.events()) {
    if (event.stream === 'result') {
      room -= JSON.stringify(event.result).length
      if (room >= 0) results.push(event.result)
    } else if (event.stream !== 'started') kept[event.stream].add(event.data)
  }
  return {
    ...(await execution.outcome),
    stdout: kept.stdout.text(),
    stderr: kept.stderr.text(),
    results,
    truncated: kept.stdout.full || kept.stderr.full || room < 0,
  }
}

/** Starts code whose output the caller reads itself. When `signal` aborts, it is interrupted. */
export async function startInContext(
  deps: SandboxDeps,
  { account, id, contextId }: InContext,
  { code, env, timeout }: ExecuteInContext,
  signal: AbortSignal,
): Promise<GuestExecution> {
  const { guest } = await wokenInstance(deps, account, id)
  const execution = await guest.contexts.execute(contextId, { code, env }, signal)
  if (timeout === undefined) return execution
  const timers = [
    setTimeout(() => execution.interrupt().catch(() => {}), timeout * 1000),
    setTimeout(() => execution.abandon(), timeout * 1000 + graceMs),
  ]
  execution.outcome.catch(() => {}).finally(() => timers.forEach(clearTimeout))
  return execution
}
