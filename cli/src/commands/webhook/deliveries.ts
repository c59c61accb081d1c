import type { WebhookDelivery } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addDeliveries(parent: Command): void {
  parent
    .command('deliveries')
    .description(text.webhookDeliveries)
    .argument('<id>', text.argumentWebhook)
    .addOption(new Option('--state <state>', text.optionDeliveryState).choices(['waiting', 'delivered', 'dead']))
    .option('--json', text.optionJson)
    .action(deliveries)
}

async function deliveries(
  id: string,
  { state, json }: { state?: WebhookDelivery['state']; json?: boolean },
): Promise<void> {
  const found = await server().webhooks.deliveries(id, { state })
  if (json) return printJson(found)
  const rows = found.map(({ id, type, subject, state, createdAt, attempts }) => [
    id,
    type,
    subject,
    state,
    createdAt,
    String(attempts.length),
    attempts.at(-1)?.error ?? String(attempts.at(-1)?.status ?? ''),
  ])
  const { columnId, columnEvents, columnAbout, columnState, columnAt, columnAttempts, columnLast } = text
  process.stdout.write(
    table([columnId, columnEvents, columnAbout, columnState, columnAt, columnAttempts, columnLast], rows),
  )
}
