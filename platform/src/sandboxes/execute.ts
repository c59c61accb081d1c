import type { Account } from '../accounts/account.ts'
import type { GuestProcess, ProcessExit } from '../engine/guest/process.ts'
import { argvOf, type Execute } from './program.ts'
import { runningInstance } from './running.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { feed, startProgram, tooLongForStdin } from './start-process.ts'

/** How much of each stream a waited execution keeps. */
const keptBytes = 8 * 1024 * 1024

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
  const kept = { stdout: new Head(keptBytes), stderr: new Head(keptBytes) }
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
  const instance = await runningInstance(deps, subject.account, subject.id)
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
  if (signal.aborted) kill()
  else signal.addEventListener('abort', kill, { once: true })
  process.exit.catch(() => {}).finally(() => signal.removeEventListener('abort', kill))

  // Not waited for: a program may write a lot before it reads.
  if (stdin !== undefined)
    feed(process, stdin).catch((error) => deps.logger.error({ err: error }, 'standard input failed'))
  return process
}

/** The first `limit` bytes of a stream. */
class Head {
  full = false
  #room: number
  readonly #chunks: Buffer[] = []

  constructor(limit: number) {
    this.#room = limit
  }

  add(data: Buffer): void {
    if (this.full) return
    this.full = data.length > this.#room
    // Copied: a slice would keep the whole frame it was cut from alive.
    this.#chunks.push(this.full ? Buffer.from(data.subarray(0, this.#room)) : data)
    this.#room -= Math.min(data.length, this.#room)
  }

  text(): string {
    const bytes = Buffer.concat(this.#chunks)
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: this.full })
  }
}
