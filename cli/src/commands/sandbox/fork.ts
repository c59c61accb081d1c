import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { pair, wholeDuration, wholePositive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addFork(parent: Command): void {
  withCopyOptions(parent.command('fork'))
    .description(text.fork)
    .option('-n, --count <number>', text.optionCount, wholePositive)
    .action(fork)
}

export interface CopyFlags {
  timeout?: number
  env?: Record<string, string>
  metadata?: Record<string, string>
  json?: boolean
}

/** The options of every command that copies a sandbox. */
export function withCopyOptions(command: Command): Command {
  return command
    .argument('<id>', text.argumentId)
    .option('--timeout <time>', text.optionTimeout, wholeDuration)
    .option('-e, --env <name=value>', text.optionEnv, pair)
    .option('-m, --metadata <name=value>', text.optionMetadata, pair)
    .option('--json', text.optionJson)
}

/** The ids alone go to stdout, one a line. */
async function fork(id: string, { json, ...options }: CopyFlags & { count?: number }): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const copies = await withProgress(text.forking, () => sandbox.fork(options))
  if (json) printJson(copies.map(({ info }) => info))
  else process.stdout.write(copies.map((copy) => `${copy.id}\n`).join(''))
}
