import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { server } from '../../server.ts'

export function addDelete(parent: Command): void {
  parent
    .command('delete')
    .alias('rm')
    .description(text.webhookDelete)
    .argument('<id>', text.argumentWebhook)
    .action(remove)
}

async function remove(id: string): Promise<void> {
  await server().webhooks.delete(id)
  process.stdout.write(`${text.deleted(id)}\n`)
}
