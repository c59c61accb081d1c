import type { FunctionInfo } from '@warren/sdk'
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
  const rows = found.map(({ name, runtime, live, counts, versions, measured, updatedAt }) => [
    name,
    runtime,
    live.map(({ version, weight }) => (weight === 100 ? `${version}` : `${version} (${weight} %)`)).join(', '),
    `${counts.invocations}`,
    `${counts.errors}`,
    memoryOf(versions, measured),
    shortDuration(Date.now() - Date.parse(updatedAt)),
  ])
  const { columnName, columnRuntime, columnLive, columnCalls, columnErrors, columnFunctionMemory, columnAge } = text
  process.stdout.write(
    table([columnName, columnRuntime, columnLive, columnCalls, columnErrors, columnFunctionMemory, columnAge], rows),
  )
}

/** What it has, and what would do where that is known: 256 (96). */
function memoryOf(versions: FunctionInfo['versions'], measured: FunctionInfo['measured']): string {
  const version = versions.find((one) => one.version === measured?.version) ?? versions.at(-1)
  const better = measured?.suggestion?.memoryMb
  return `${version?.settings.memoryMb ?? ''}${better === undefined ? '' : ` (${better})`}`
}
