import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent.command('list').alias('ls').description(text.webhookList).option('--json', text.optionJson).action(list)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const found = await server().webhooks.list()
  if (json) return printJson(found)
  const rows = found.map(({ id, url, events, state, createdAt }) => [
    id,
    url,
    events.join(' ') || '*',
    state,
    shortDuration(Date.now() - Date.parse(createdAt)),
  ])
  process.stdout.write(
    table([text.columnId, text.columnUrl, text.columnEvents, text.columnState, text.columnAge], rows),
  )
}
