import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholeDuration } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addRotate(parent: Command): void {
  parent
    .command('rotate')
    .description(text.webhookRotate)
    .argument('<id>', text.argumentWebhook)
    .option('--overlap <time>', text.optionOverlap, wholeDuration)
    .option('--json', text.optionJson)
    .action(rotate)
}

async function rotate(id: string, { overlap, json }: { overlap?: number; json?: boolean }): Promise<void> {
  const webhook = await server().webhooks.rotate(id, { overlapSeconds: overlap })
  if (json) return printJson(webhook)
  process.stderr.write(`${text.webhookSecret(webhook.secret)}\n`)
}
