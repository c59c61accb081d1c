import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { server } from '../../server.ts'

export function addTest(parent: Command): void {
  parent.command('test').description(text.webhookTest).argument('<id>', text.argumentWebhook).action(test)
}

/** Prints the id of the delivery. */
async function test(id: string): Promise<void> {
  process.stdout.write(`${await server().webhooks.test(id)}\n`)
}
