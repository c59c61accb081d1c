import { constants } from 'node:os'
import { type ProcessExit, type ProcessOptions, type Sandbox, WarrenError } from '@warren/sdk'
import { text } from './messages.ts'
import { writeAll } from './output/print.ts'

/** One argument is a line for the shell, several are a program and its arguments. A `--` before them is dropped. */
export function commandOf(words: string[]): string | string[] {
  // commander drops it only where it comes before every argument, so not after the id of `exec`.
  const command = words[0] === '--' ? words.slice(1) : words
  return command.length === 1 ? command[0]! : command
}

/** Runs a command with its output on ours. Answers with the exit code to pass on. */
export async function streamExec(
  sandbox: Sandbox,
  words: string[],
  options: ProcessOptions & { interactive?: boolean; signal: AbortSignal },
): Promise<number> {
  const { interactive, ...rest } = options
  const exit = interactive
    ? await withStdin(sandbox, words, rest)
    : await sandbox.exec(commandOf(words), {
        ...rest,
        onStdout: (_, { bytes }) => writeAll(process.stdout, bytes),
        onStderr: (_, { bytes }) => writeAll(process.stderr, bytes),
      })
  if (exit.reason === 'timeout' && options.timeout)
    process.stderr.write(`warren: ${text.endedByTimeout(options.timeout)}\n`)
  if (exit.reason === 'out_of_memory') process.stderr.write(`warren: ${text.endedByMemory}\n`)
  return exitCodeOf(exit)
}

/** As a shell counts: 128 and the number of the signal; 124 for a time limit, as `timeout` has it. */
export function exitCodeOf({ exitCode, signal, reason }: ProcessExit): number {
  if (reason === 'timeout') return 124
  if (exitCode !== null) return exitCode
  return 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)
}

/** The exit code for a command that did not run: as `env` has it, 127 not found, 126 not executable, 125 any other failure. */
export function exitCodeOfFailure(error: unknown): number {
  if (error instanceof WarrenError && error.code === 'not_found' && error.message.startsWith('command not found'))
    return 127
  if (error instanceof WarrenError && error.code === 'forbidden' && error.details?.guestCode === 'permission_denied')
    return 126
  return 125
}

async function withStdin(
  sandbox: Sandbox,
  words: string[],
  { signal, ...options }: ProcessOptions & { signal: AbortSignal },
): Promise<ProcessExit> {
  const child = await sandbox.spawn(commandOf(words), { ...options, stdin: true })
  try {
    // Not waited for: the process may end without having read all of it.
    pump(child).catch(() => {})
    const output = child.output({ signal })
    for (;;) {
      const { done, value } = await output.next()
      if (done) return value
      await writeAll(value.stream === 'stdout' ? process.stdout : process.stderr, value.bytes)
    }
  } catch (error) {
    await child.kill().catch(() => {})
    throw error
  }
}

async function pump(child: { write(data: Uint8Array): Promise<void>; closeStdin(): Promise<void> }): Promise<void> {
  for await (const chunk of process.stdin) await child.write(chunk)
  await child.closeStdin()
}
