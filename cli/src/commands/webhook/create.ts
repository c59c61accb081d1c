import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { repeated } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addCreate(parent: Command): void {
  parent
    .command('create')
    .description(text.webhookCreate)
    .argument('<url>', text.argumentUrl)
    .option('--event <pattern>', text.optionEvent, repeated)
    .option('--json', text.optionJson)
    .action(create)
}

async function create(url: string, { event, json }: { event?: string[]; json?: boolean }): Promise<void> {
  const webhook = await server().webhooks.create(url, { events: event })
  if (json) return printJson(webhook)
  process.stdout.write(`${webhook.id}\n`)
  process.stderr.write(`${text.webhookSecret(webhook.secret)}\n`)
}
