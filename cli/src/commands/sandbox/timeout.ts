import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholeDuration } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addTimeout(parent: Command): void {
  parent
    .command('timeout')
    .description(text.timeout)
    .argument('<id>', text.argumentId)
    .argument('<time>', text.argumentDuration, wholeDuration)
    .option('--json', text.optionJson)
    .action(timeout)
}

async function timeout(id: string, seconds: number, { json }: { json?: boolean }): Promise<void> {
  const sandbox = await server().sandboxes.connect(id, { timeout: seconds })
  if (json) printJson(sandbox.info)
  else process.stdout.write(`${text.extended(id, sandbox.info.expiresAt)}\n`)
}
