import type { SnapshotInfo } from '@warren/sdk'
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
    .description(text.snapshotList)
    .option('--name <name>', text.optionName)
    .option('-q, --quiet', text.optionQuiet)
    .option('--json', text.optionJson)
    .action(list)
}

async function list({ name, quiet, json }: { name?: string; quiet?: boolean; json?: boolean }): Promise<void> {
  const found = await server().snapshots.list({ name })
  if (json) printJson(found)
  else if (quiet) process.stdout.write(found.map(({ id }) => `${id}\n`).join(''))
  else if (found.length === 0) process.stderr.write(`${text.noSnapshots}\n`)
  else {
    const { columnId, columnName, columnKeeps, columnRuntime, columnSize, columnAge, columnSandbox } = text
    const head = [columnId, columnName, columnKeeps, columnRuntime, columnSize, columnAge, columnSandbox]
    process.stdout.write(table(head, found.map(rowOf)))
  }
}

function rowOf({ id, name, keeps, driver, sizeBytes, createdAt, sandbox }: SnapshotInfo): string[] {
  const age = shortDuration(Date.now() - Date.parse(createdAt))
  return [id, name ?? '', keeps, driver, shortSize(sizeBytes), age, sandbox ?? '']
}
