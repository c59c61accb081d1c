import type { Account } from '../accounts/account.ts'
import type { GuestProcess, ProcessExit } from '../engine/guest/process.ts'
import { KeptOutput } from './kept-output.ts'
import { argvOf, type Execute } from './program.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { feed, startProgram, tooLongForStdin } from './start-process.ts'
import { wokenInstance } from './wake.ts'

/** How long after its time limit a program may still be ended from inside, milliseconds. */
const graceMs = 10_000

const sigkill = 9

export interface Execution extends ProcessExit {
  stdout: string
  stderr: string
}

/**
 * Runs a program and waits for its end. Output beyond 8 MiB a stream is read and dropped, and `truncated` says so; bytes
 * that are not UTF-8 become U+FFFD. When `signal` aborts, the program is killed.
 */
export async function execute(
  deps: SandboxDeps,
  subject: { account: Account; id: string },
  input: Execute,
  signal: AbortSignal,
): Promise<Execution> {
  const process = await startExecution(deps, subject, input, signal)
  const kept = { stdout: new KeptOutput(), stderr: new KeptOutput() }
  for await (const { stream, data } of process.output()) kept[stream].add(data)
  const exit = await process.exit
  return {
    ...exit,
    stdout: kept.stdout.text(),
    stderr: kept.stderr.text(),
    truncated: exit.truncated || kept.stdout.full || kept.stderr.full,
  }
}

/** Starts a program whose output the caller reads itself. When `signal` aborts, the program is killed. */
export async function startExecution(
  deps: SandboxDeps,
  subject: { account: Account; id: string },
  input: Execute,
  signal: AbortSignal,
): Promise<GuestProcess> {
  const instance = await wokenInstance(deps, subject.account, subject.id)
  const program = argvOf(input)
  if (program.stdin !== undefined && input.stdin !== undefined) throw tooLongForStdin()
  const stdin = input.stdin ?? program.stdin
  const process = await startProgram(instance, input, { argv: program.argv, stdin: stdin !== undefined })

  const kill = () => {
    // Nobody is left to tell: a sandbox that cannot be reached has no process to kill either.
    instance.guest
      .signal(process.id, sigkill)
      .catch(() => {})
      .finally(() => process.detach())
  }
  // The agent ends it in time; where there is no agent any more, nobody else tells.
  const lateMs = input.timeout === undefined ? undefined : input.timeout * 1000 + graceMs
  const late = lateMs === undefined ? undefined : setTimeout(() => process.detach(), lateMs)
  if (signal.aborted) kill()
  else signal.addEventListener('abort', kill, { once: true })
  process.exit
    .catch(() => {})
    .finally(() => {
      clearTimeout(late)
      signal.removeEventListener('abort', kill)
    })

  // Not waited for: a program may write a lot before it reads.
  if (stdin !== undefined)
    feed(process, stdin).catch((error) => deps.logger.error({ err: error }, 'standard input failed'))
  return process
}
