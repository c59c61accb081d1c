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
    .description(text.fnList)
    .option('-q, --quiet', text.optionQuiet)
    .option('--json', text.optionJson)
    .action(list)
}

async function list({ quiet, json }: { quiet?: boolean; json?: boolean }): Promise<void> {
  const found = await server().functions.list()
  if (json) return printJson(found)
  if (quiet) return void process.stdout.write(found.map(({ name }) => `${name}\n`).join(''))
  if (found.length === 0) return void process.stderr.write(`${text.noFunctions}\n`)
  const rows = found.map(({ name, runtime, live, counts, updatedAt }) => [
    name,
    runtime,
    live.map(({ version, weight }) => (weight === 100 ? `${version}` : `${version} (${weight} %)`)).join(', '),
    `${counts.invocations}`,
    `${counts.errors}`,
    shortDuration(Date.now() - Date.parse(updatedAt)),
  ])
  const { columnName, columnRuntime, columnLive, columnCalls, columnErrors, columnAge } = text
  process.stdout.write(table([columnName, columnRuntime, columnLive, columnCalls, columnErrors, columnAge], rows))
}
