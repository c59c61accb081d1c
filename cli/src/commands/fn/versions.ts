import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration, shortSize } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addVersions(parent: Command): void {
  parent
    .command('versions')
    .description(text.fnVersions)
    .argument('<name>', text.argumentFunction)
    .option('--json', text.optionJson)
    .action(versions)
}

async function versions(name: string, { json }: { json?: boolean }): Promise<void> {
  const { versions: all, live, aliases } = await server().functions.get(name)
  if (json) return printJson(all)
  const namesOf = (version: number) => [
    ...live.filter((target) => target.version === version).map(({ weight }) => `live ${weight} %`),
    ...aliases.filter(({ targets }) => targets.some((target) => target.version === version)).map((alias) => alias.name),
  ]
  const rows = all
    .toReversed()
    .map(({ version, runtime, codeBytes, createdAt }) => [
      `${version}`,
      runtime,
      shortSize(codeBytes),
      namesOf(version).join(', '),
      shortDuration(Date.now() - Date.parse(createdAt)),
    ])
  const { columnVersion, columnRuntime, columnSize, columnAliases, columnAge } = text
  process.stdout.write(table([columnVersion, columnRuntime, columnSize, columnAliases, columnAge], rows))
}
