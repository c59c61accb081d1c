import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent
    .command('list', { isDefault: true })
    .alias('ls')
    .description(text.quotaList)
    .option('--json', text.optionJson)
    .action(list)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const quotas = await server().quotas.list()
  if (json) return printJson(quotas)
  const rows = quotas.map(({ name, used, most, own }) => [
    name,
    String(used),
    most === undefined ? text.noLimit : String(most),
    own ? '*' : '',
  ])
  process.stdout.write(table([text.columnName, text.columnQuotaUsed, text.columnMost, text.columnOwn], rows))
}
