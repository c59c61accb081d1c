import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholeDuration } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addResume(parent: Command): void {
  parent
    .command('resume')
    .description(text.resume)
    .argument('<id>', text.argumentId)
    .option('--timeout <time>', text.optionTimeout, wholeDuration)
    .option('--json', text.optionJson)
    .action(resume)
}

async function resume(id: string, { timeout, json }: { timeout?: number; json?: boolean }): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const info = await withProgress(text.resuming, () => sandbox.resume({ timeout }))
  if (json) printJson(info)
  else process.stdout.write(`${text.resumed(id, info.expiresAt)}\n`)
}
