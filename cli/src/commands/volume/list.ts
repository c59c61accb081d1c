import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration, shortSize } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent
    .command('list')
    .alias('ls')
    .description(text.volumeList)
    .option('-q, --quiet', text.optionQuiet)
    .option('--json', text.optionJson)
    .action(list)
}

async function list({ quiet, json }: { quiet?: boolean; json?: boolean }): Promise<void> {
  const found = await server().volumes.list()
  if (json) return printJson(found)
  if (quiet) return void process.stdout.write(found.map(({ id }) => `${id}\n`).join(''))
  if (found.length === 0) return void process.stderr.write(`${text.noVolumes}\n`)
  const { columnId, columnName, columnSize, columnAge } = text
  const rows = found.map(({ id, name, sizeMb, createdAt }) => [
    id,
    name,
    sizeMb === undefined ? '' : shortSize(sizeMb * 1024 * 1024),
    shortDuration(Date.now() - Date.parse(createdAt)),
  ])
  process.stdout.write(table([columnId, columnName, columnSize, columnAge], rows))
}
