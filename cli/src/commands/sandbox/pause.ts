import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholeDuration } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addPause(parent: Command): void {
  parent
    .command('pause')
    .description(text.pause)
    .argument('<id>', text.argumentId)
    .option('--timeout <time>', text.optionKeptTime, wholeDuration)
    .option('--no-memory', text.optionNoMemory)
    .option('--json', text.optionJson)
    .action(pause)
}

interface PauseOptions {
  timeout?: number
  memory: boolean
  json?: boolean
}

async function pause(id: string, { timeout, memory, json }: PauseOptions): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const info = await withProgress(text.pausing, () => sandbox.pause({ timeout, memory }))
  if (json) printJson(info)
  else process.stdout.write(`${text.paused(id, info.memory ?? 'resident')}\n`)
}
