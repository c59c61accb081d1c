import type { Command } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { pair, positive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
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
    .option('--timeout <seconds>', text.optionExecTimeout, positive)
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
  const { signal, exitCode } = interruption()
  try {
    const sandbox = await server().sandboxes.get(id)
    if (json) {
      const { interactive: _, ...rest } = options
      const result = await sandbox.exec(commandOf(words), { ...rest, signal })
      printJson(result)
      process.exitCode = exitCodeOf(result)
    } else process.exitCode = await streamExec(sandbox, words, { ...options, signal })
  } catch (error) {
    if (!signal.aborted) throw error
    process.exitCode = exitCode() ?? 1
  }
}
