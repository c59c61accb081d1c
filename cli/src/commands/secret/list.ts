import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent
    .command('list')
    .alias('ls')
    .description(text.secretList)
    .option('-q, --quiet', text.optionQuiet)
    .option('--json', text.optionJson)
    .action(list)
}

async function list({ quiet, json }: { quiet?: boolean; json?: boolean }): Promise<void> {
  const found = await server().secrets.list()
  if (json) return printJson(found)
  if (quiet) return void process.stdout.write(found.map(({ id }) => `${id}\n`).join(''))
  if (found.length === 0) return void process.stderr.write(`${text.noSecrets}\n`)
  const { columnName, columnVersion, columnHosts, columnAge } = text
  const rows = found.map(({ name, version, hosts, updatedAt }) => [
    name,
    String(version),
    hosts.join(' '),
    shortDuration(Date.now() - Date.parse(updatedAt)),
  ])
  process.stdout.write(table([columnName, columnVersion, columnHosts, columnAge], rows))
}
