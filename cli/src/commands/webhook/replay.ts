import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { server } from '../../server.ts'

export function addReplay(parent: Command): void {
  parent
    .command('replay')
    .description(text.webhookReplay)
    .argument('<id>', text.argumentWebhook)
    .option('--delivery <id>', text.optionReplayDelivery)
    .option('--since <time>', text.optionReplaySince)
    .action(replay)
}

async function replay(id: string, what: { delivery?: string; since?: string }): Promise<void> {
  process.stdout.write(`${await server().webhooks.replay(id, what)}\n`)
}
