import type { Command } from 'commander'
import { interruption } from '../interruption.ts'
import { text } from '../messages.ts'
import { type CreateFlags, createOptions, warnOfUnenforced, withCreateOptions } from '../options.ts'
import { printJson } from '../output/print.ts'
import { withProgress } from '../output/progress.ts'
import { orSandboxGone } from '../sandbox-gone.ts'
import { server } from '../server.ts'
import { commandOf, exitCodeOf, streamExec } from '../stream-exec.ts'

/** How long a sandbox of `run` may live when nothing is said: long enough for work, short enough if we are killed. */
const defaultSeconds = 3600

export function addRun(program: Command): void {
  withCreateOptions(program.command('run'))
    .description(text.run)
    .argument('<command...>', text.argumentCommand)
    .option('-i, --interactive', text.optionInteractive)
    .option('--json', text.optionJson)
    .passThroughOptions()
    .addHelpText('after', `\n  warren run -- python3 -c 'print(6 * 7)'`)
    .action(run)
}

async function run(words: string[], flags: CreateFlags & { interactive?: boolean; json?: boolean }): Promise<void> {
  const { signal, exitCode } = interruption()
  try {
    const options = { timeout: defaultSeconds, ...createOptions(flags), signal }
    await using sandbox = await withProgress(text.creating, () => server().sandboxes.create(options))
    warnOfUnenforced(flags, sandbox.info)
    try {
      if (flags.json) {
        const result = await withProgress(text.running, () => sandbox.exec(commandOf(words), { signal }))
        printJson({ ...result, sandbox: sandbox.info })
        process.exitCode = exitCodeOf(result)
      } else {
        process.exitCode = await streamExec(sandbox, words, { ...(flags.interactive && { interactive: true }), signal })
      }
    } catch (error) {
      throw await orSandboxGone(sandbox.id, error)
    }
  } catch (error) {
    if (!signal.aborted) throw error
    process.exitCode = exitCode() ?? 1
  }
}
