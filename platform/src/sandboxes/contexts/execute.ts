import type { ContextOutcome, GuestExecution } from '../../engine/guest/context-execution.ts'
import { KeptOutput } from '../kept-output.ts'
import type { InContext, SandboxDeps } from '../sandboxes.ts'
import { wokenInstance } from '../wake.ts'
import type { ExecuteInContext } from './context.ts'

/** How long after its time limit the code may still be ended from inside, milliseconds. */
const graceMs = 10_000

export interface ContextExecution extends ContextOutcome {
  stdout: string
  stderr: string
  truncated: boolean
}

/** Runs code in a context and waits for its end. Output beyond 8 MiB a stream is read and dropped. */
export async function executeInContext(
  deps: SandboxDeps,
  subject: InContext,
  input: ExecuteInContext,
  signal: AbortSignal,
): Promise<ContextExecution> {
  const execution = await startInContext(deps, subject, input, signal)
  const kept = { stdout: new KeptOutput(), stderr: new KeptOutput() }
  for await (const { stream, data } of execution.output()) kept[stream].add(data)
  return {
    ...(await execution.outcome),
    stdout: kept.stdout.text(),
    stderr: kept.stderr.text(),
    truncated: kept.stdout.full || kept.stderr.full,
  }
}

/** Starts code whose output the caller reads itself. When `signal` aborts, it is interrupted. */
export async function startInContext(
  deps: SandboxDeps,
  { account, id, contextId }: InContext,
  { code, timeout }: ExecuteInContext,
  signal: AbortSignal,
): Promise<GuestExecution> {
  const { guest } = await wokenInstance(deps, account, id)
  const execution = await guest.contexts.execute(contextId, code, signal)
  if (timeout === undefined) return execution
  const timers = [
    setTimeout(() => execution.interrupt().catch(() => {}), timeout * 1000),
    setTimeout(() => execution.abandon(), timeout * 1000 + graceMs),
  ]
  execution.outcome.catch(() => {}).finally(() => timers.forEach(clearTimeout))
  return execution
}
