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
    .description(text.bucketList)
    .option('-q, --quiet', text.optionQuiet)
    .option('--json', text.optionJson)
    .action(list)
}

async function list({ quiet, json }: { quiet?: boolean; json?: boolean }): Promise<void> {
  const found = await server().buckets.list()
  if (json) return printJson(found)
  if (quiet) return void process.stdout.write(found.map(({ name }) => `${name}\n`).join(''))
  if (found.length === 0) return void process.stderr.write(`${text.noBuckets}\n`)
  const { columnName, columnObjects, columnSize, columnAge } = text
  const rows = found.map(({ name, objects, sizeBytes, createdAt }) => [
    name,
    String(objects),
    shortSize(sizeBytes),
    shortDuration(Date.now() - Date.parse(createdAt)),
  ])
  process.stdout.write(table([columnName, columnObjects, columnSize, columnAge], rows))
}
