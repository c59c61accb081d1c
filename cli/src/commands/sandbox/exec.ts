import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { duration, pair } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { orSandboxGone } from '../../sandbox-gone.ts'
import { server } from '../../server.ts'
import { commandOf, exitCodeOf, streamExec } from '../../stream-exec.ts'

export function addExec(parent: Command): void {
  parent
    .command('exec')
    .description(text.exec)
    .argument('<id>', text.argumentId)
    .argument('<command...>', text.argumentCommand)
    .option('-i, --interactive', text.optionInteractive)
    .option('-e, --env <name=value>', text.optionEnv, pair)
    .option('-u, --user <name>', text.optionUser)
    .option('-w, --cwd <path>', text.optionCwd)
    .option('--timeout <time>', text.optionExecTimeout, duration)
    .option('--json', text.optionJson)
    .passThroughOptions()
    .action(exec)
}

interface Flags {
  interactive?: boolean
  env?: Record<string, string>
  user?: string
  cwd?: string
  timeout?: number
  json?: boolean
}

async function exec(id: string, words: string[], { json, ...options }: Flags): Promise<void> {
  if (words[0]!.startsWith('-') && words[0] !== '--')
    throw new WarrenError('invalid_request', text.optionAfterId(words[0]!), { hint: text.optionAfterIdHint(id) })
  const { signal, exitCode } = interruption()
  try {
    const sandbox = await server().sandboxes.get(id)
    if (json) {
      const { interactive: _, ...rest } = options
      const result = await withProgress(text.running, () => sandbox.exec(commandOf(words), { ...rest, signal }))
      printJson(result)
      process.exitCode = exitCodeOf(result)
    } else process.exitCode = await streamExec(sandbox, words, { ...options, signal })
  } catch (error) {
    if (!signal.aborted) throw await orSandboxGone(id, error)
    process.exitCode = exitCode() ?? 1
  }
}
