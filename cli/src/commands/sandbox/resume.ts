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
    .option('--no-memory', text.optionResumeNoMemory)
    .option('--json', text.optionJson)
    .action(resume)
}

interface ResumeOptions {
  timeout?: number
  memory: boolean
  json?: boolean
}

async function resume(id: string, { timeout, memory, json }: ResumeOptions): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const info = await withProgress(text.resuming, () => sandbox.resume({ timeout, memory }))
  if (json) printJson(info)
  else process.stdout.write(`${text.resumed(id, info.expiresAt)}\n`)
}
