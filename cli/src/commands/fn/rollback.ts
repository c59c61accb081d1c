import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholePositive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addRollback(parent: Command): void {
  parent
    .command('rollback')
    .description(text.fnRollback)
    .argument('<name>', text.argumentFunction)
    .option('--to <version>', text.optionToVersion, wholePositive)
    .option('--json', text.optionJson)
    .action(rollback)
}

async function rollback(name: string, { to, json }: { to?: number; json?: boolean }): Promise<void> {
  const changed = await server().functions.rollback(name, to)
  if (json) printJson(changed)
  else process.stdout.write(`${text.rolledBack(name, changed.live[0]?.version ?? 0)}\n`)
}
